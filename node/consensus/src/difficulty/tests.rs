//! The formulas against rows of the public tables, and the target block time in simulation.
#![allow(clippy::unwrap_used)]

use super::*;
use atoll_primitives::{B256, consensus::EMPTY_OMMER_ROOT_HASH};
use serde_json::json;

/// A chain on which `newest` and every fork before it has been active from the start.
fn spec_at(newest: &str) -> ChainSpec {
    let forks = [
        ("Homestead", "homesteadBlock"),
        ("Tangerine", "eip150Block"),
        ("Spurious", "eip158Block"),
        ("Byzantium", "byzantiumBlock"),
        ("Constantinople", "constantinopleBlock"),
        ("Petersburg", "petersburgBlock"),
        ("Istanbul", "istanbulBlock"),
        ("MuirGlacier", "muirGlacierBlock"),
        ("Berlin", "berlinBlock"),
        ("London", "londonBlock"),
        ("ArrowGlacier", "arrowGlacierBlock"),
        ("GrayGlacier", "grayGlacierBlock"),
    ];
    let mut config = json!({"chainId": 1});
    let count = forks.iter().position(|(name, _)| *name == newest).map_or(0, |index| index + 1);
    for (_, key) in &forks[..count] {
        config[*key] = json!(0);
    }
    let genesis = json!({"config": config, "difficulty": "0x20000", "gasLimit": "0x1388", "alloc": {}});
    ChainSpec::from_json(&genesis.to_string()).unwrap()
}

fn parent(number: u64, timestamp: u64, difficulty: u64, ommers: bool) -> Header {
    Header {
        number,
        timestamp,
        difficulty: U256::from(difficulty),
        ommers_hash: if ommers { B256::repeat_byte(1) } else { EMPTY_OMMER_ROOT_HASH },
        ..Header::default()
    }
}

/// Fork, parent's timestamp, difficulty and whether it has ommers; the block's timestamp, number and difficulty.
type Row = (&'static str, u64, u64, bool, u64, u64, u64);

/// From ethereum/tests, DifficultyTests.
const TABLE: &[Row] = &[
    ("Frontier", 0x7_16dc_38b9, 0x4186_b5ce_c650_16d6, false, 0x7_16dc_38ba, 1_000_000, 0x418e_e6a5_8028_e1d8),
    ("Frontier", 0x4_d38d_edd0, 0x63f3_d457_275c_840b, false, 0x4_d38d_edf2, 1_100_000, 0x63e7_55dc_9c77_9a7b),
    ("Homestead", 0x7_4adb_cf5c, 0x2a31_cebf_aa59_b620, false, 0x7_4adb_cf5d, 1_000_000, 0x2a37_14f9_824f_0256),
    ("Homestead", 0x2_faa6_93dd, 0x04dc_8c00_7873_d702, false, 0x2_faa6_93ff, 3_700_000, 0x04db_54e5_7855_ba0e),
    ("Byzantium", 0x2_8d21_4818, 0x6963_001f_28ba_95c2, false, 0x2_8d21_4819, 100_000, 0x6970_2c7f_2c9f_ad14),
    ("Byzantium", 0xec97_b7b2, 0x1e10_25c1_5432_2112, true, 0xec97_b7b8, 900_000, 0x1e17_a9ca_c487_2d9a),
    ("Constantinople", 0x49ba_2f9d, 0x5d7c_b6a5_dd32_5132, false, 0x49ba_2fb1, 2_200_000, 0x5d71_070f_0876_aae8),
    ("Constantinople", 0x4_fc75_097a, 0x3799_254b_20b0_b939, true, 0x4_fc75_097c, 2_300_000, 0x37a7_0b94_7378_e567),
    ("Berlin", 0x6_c0e4_cb57, 0x5540_f93a_4f16_93ea, false, 0x6_c0e4_cb6b, 2_000_000, 0x5536_511b_27cc_b118),
    ("Berlin", 0xe6f7_7230, 0x037f_27ac_5dc5_9443, false, 0xe6f7_7236, 4_500_000, 0x037f_9791_5351_4cf5),
    ("ArrowGlacier", 0, 0x22_3a2d_1723_2652, true, 0x40, 12_500_000, 0x22_24c8_baf5_b05e),
    ("ArrowGlacier", 0, 0x22_3a2d_1723_2652, false, 1, 13_800_000, 0x22_3e74_7cc6_0ab6),
    ("GrayGlacier", 0, 0x22_3a2d_1723_2652, false, 1, 13_200_000, 0x22_3e74_5cc7_0ab6),
    ("GrayGlacier", 0, 0x22_3a2d_1723_2652, false, 10, 14_500_000, 0x22_3a2d_3723_2652),
];

#[test]
fn the_formula_of_each_fork() {
    for (fork, parent_time, parent_difficulty, ommers, time, number, expected) in TABLE {
        let parent = parent(number - 1, *parent_time, *parent_difficulty, *ommers);
        let found = difficulty(&spec_at(fork), &EthashConfig::default(), *time, &parent);
        assert_eq!(found, U256::from(*expected), "{fork} at {number}");
    }
}

#[test]
fn the_bomb_saturates() {
    let parent = parent(u64::MAX - 1, 0, 1 << 40, false);
    assert_eq!(difficulty(&spec_at("Homestead"), &EthashConfig::default(), 1, &parent), U256::MAX);
}

#[test]
fn a_fixed_difficulty_stays() {
    let config = EthashConfig { fixed_difficulty: Some(15), ..EthashConfig::default() };
    assert_eq!(difficulty(&spec_at("London"), &config, 99, &parent(7, 1, 1 << 40, false)), U256::from(15));
}

#[test]
fn a_long_pause_costs_two_thirds_of_the_difficulty_once() {
    let parent = parent(7, 1_000, 3_000_000, false);
    let after = |seconds: u64| target::difficulty(2, 1_000 + seconds, &parent);
    assert_eq!(after(2), U256::from(3_000_000));
    assert_eq!(after(18), U256::from(1_000_000));
    assert_eq!(after(1_000_000_000), U256::from(1_000_000));
    assert!(after(1) > after(2));
}

#[test]
fn extreme_parents_do_not_overflow() {
    let mut parent = parent(7, 0, 0, false);
    assert_eq!(target::difficulty(u64::MAX, u64::MAX, &parent), U256::from(MIN_TARGET_DIFFICULTY));
    parent.difficulty = U256::MAX;
    assert_eq!(target::difficulty(2, 1, &parent), U256::MAX);
}

/// A network with one hash rate: exponential solve times, whole-second timestamps, a template renewed every second
/// and held back while it leads the clock, as the miner does. The clock and the randomness are its own.
struct Network {
    random: u64,
    now: f64,
    head: Header,
    block_time: u64,
}

impl Network {
    fn new(block_time: u64, seed: u64) -> Self {
        let head = parent(0, 1_000_000, MIN_TARGET_DIFFICULTY, false);
        Self { random: seed, now: 1_000_000.0, head, block_time }
    }

    /// How much work, in multiples of the expected amount, the next block takes.
    fn effort(&mut self) -> f64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let bits = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        -((bits as f64 + 1.0) / (1u64 << 53) as f64).ln()
    }

    fn mine(&mut self, hash_rate: f64) {
        let mut effort = self.effort();
        loop {
            let second = self.now.floor();
            let timestamp = (second as u64).max(self.head.timestamp + 1);
            let difficulty = target::difficulty(self.block_time, timestamp, &self.head);
            let rate = if timestamp > second as u64 { 0.0 } else { hash_rate / difficulty.to::<u128>() as f64 };
            let rest = second + 1.0 - self.now;
            if effort <= rate * rest {
                self.now += effort / rate;
                self.head = Header { number: self.head.number + 1, timestamp, difficulty, ..Header::default() };
                return;
            }
            effort -= rate * rest;
            self.now = second + 1.0;
        }
    }

    fn mean_interval(&mut self, hash_rate: f64, blocks: u32) -> f64 {
        let start = self.now;
        (0..blocks).for_each(|_| self.mine(hash_rate));
        (self.now - start) / f64::from(blocks)
    }

    /// Blocks until the difficulty is within a factor of 1.5 of what the hash rate can do in a block time.
    fn blocks_to_follow(&mut self, hash_rate: f64) -> u64 {
        // What is left of the second a block came in is not searched in: it is its timestamp's.
        let ideal = -hash_rate / (-1.0 / self.block_time as f64).ln_1p();
        let start = self.head.number;
        while !(ideal / 1.5..ideal * 1.5).contains(&(self.head.difficulty.to::<u128>() as f64)) {
            self.mine(hash_rate);
            assert!(self.head.number - start < 10_000, "never reaches {ideal}");
        }
        self.head.number - start
    }
}

#[test]
fn the_mean_block_time_is_the_target_at_any_hash_rate() {
    for block_time in [2, 3, 5, 15, 60] {
        for (seed, hash_rate) in [(11, 3e3), (12, 2e4), (13, 4e5), (14, 1e7), (15, 1e12)] {
            let mut network = Network::new(block_time, seed);
            network.mean_interval(hash_rate, 1_500);
            let mean = network.mean_interval(hash_rate, 10_000);
            let off = mean / block_time as f64 - 1.0;
            assert!(off.abs() < 0.02, "{mean} s for {block_time} s at {hash_rate} hashes/s");
        }
    }
}

#[test]
fn one_second_is_held_as_nearly_as_timestamps_allow() {
    for (seed, hash_rate) in [(21, 2e4), (22, 1e7)] {
        let mut network = Network::new(1, seed);
        network.mean_interval(hash_rate, 1_500);
        let mean = network.mean_interval(hash_rate, 10_000);
        assert!((1.0..1.16).contains(&mean), "{mean}");
    }
}

#[test]
fn a_tenfold_change_of_hash_power_is_followed_within_tens_of_blocks() {
    for block_time in [2, 5, 15] {
        let (mut rise, mut fall) = (0, 0);
        for seed in 1..=20 {
            let mut network = Network::new(block_time, seed);
            network.mean_interval(1e5, 1_000);
            rise = rise.max(network.blocks_to_follow(1e6));
            network.mean_interval(1e6, 200);
            fall = fall.max(network.blocks_to_follow(1e5));
        }
        assert!(rise <= 60, "{rise} blocks to follow a rise, at {block_time} s");
        assert!(fall <= 40, "{fall} blocks to follow a fall, at {block_time} s");
    }
}

#[test]
fn no_timestamp_leads_the_clock_in_a_burst() {
    let mut network = Network::new(2, 3);
    network.mean_interval(1e5, 500);
    for _ in 0..200 {
        network.mine(1e7);
        assert!(network.head.timestamp as f64 <= network.now);
    }
}
