//! Public networks whose genesis files travel without a `config` object: they are recognised by their genesis hash.
//! Nothing else about a public network is known here.

use crate::ChainSpec;
use alloy_genesis::Genesis;
use alloy_primitives::{B256, b256};
use serde_json::Value;

/// Genesis hash and `config` of mainnet, Sepolia and Holesky (their clients' published values).
const KNOWN: [(B256, &str); 3] = [
    (
        b256!("d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3"),
        r#"{"chainId":1,"homesteadBlock":1150000,"daoForkBlock":1920000,"daoForkSupport":true,"eip150Block":2463000,
        "eip155Block":2675000,"eip158Block":2675000,"byzantiumBlock":4370000,"constantinopleBlock":7280000,
        "petersburgBlock":7280000,"istanbulBlock":9069000,"muirGlacierBlock":9200000,"berlinBlock":12244000,
        "londonBlock":12965000,"arrowGlacierBlock":13773000,"grayGlacierBlock":15050000,
        "terminalTotalDifficulty":"0xc70d808a128d7380000","shanghaiTime":1681338455,"cancunTime":1710338135,
        "pragueTime":1746612311,"osakaTime":1764798551,"bpo1Time":1765290071,"bpo2Time":1767747671,"ethash":{}}"#,
    ),
    (
        b256!("25a5cc106eea7138acab33231d7160d69cb777ee0c2c553fcddf5138993e6dd9"),
        r#"{"chainId":11155111,"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,
        "constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"muirGlacierBlock":0,"berlinBlock":0,
        "londonBlock":0,"mergeNetsplitBlock":1735371,"terminalTotalDifficulty":17000000000000000,
        "shanghaiTime":1677557088,"cancunTime":1706655072,"pragueTime":1741159776,"osakaTime":1760427360,
        "bpo1Time":1761017184,"bpo2Time":1761607008,"ethash":{}}"#,
    ),
    (
        b256!("b5f7f912443c940f21fd611f12828d75b534364ed9e95ca4e307729a4661bde4"),
        r#"{"chainId":17000,"homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,
        "constantinopleBlock":0,"petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,"londonBlock":0,
        "terminalTotalDifficulty":0,"shanghaiTime":1696000704,"cancunTime":1707305664,"pragueTime":1740434112,
        "osakaTime":1759308480,"bpo1Time":1759800000,"bpo2Time":1760389824}"#,
    ),
];

/// The specification of the public network that a genesis file without `config` belongs to.
pub(crate) fn recognise(raw: &Value) -> Option<ChainSpec> {
    KNOWN.iter().find_map(|(hash, config)| {
        let config: Value = serde_json::from_str(config).ok()?;
        let mut file = raw.as_object()?.clone();
        file.insert("config".into(), config.clone());
        let genesis: Genesis = serde_json::from_value(Value::Object(file)).ok()?;
        let spec = ChainSpec::new(genesis, &config).ok()?;
        (spec.genesis_header().hash == *hash).then_some(spec)
    })
}
