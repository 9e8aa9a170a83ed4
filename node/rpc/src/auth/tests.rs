//! Tokens: what is let in, what is not, and what files are refused.

use super::*;

const SECRET: &str = "0x736563726574736563726574736563726574736563726574736563726574abcd";
const NOW: u64 = 1_700_000_000;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn jwt() -> Auth {
    Auth::default().with_jwt_file(file(&format!("{SECRET}\n")).path()).unwrap()
}

fn sign(header: &str, claims: &str) -> String {
    let secret = jwt().jwt.unwrap();
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
    mac.update(signed.as_bytes());
    format!("Bearer {signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

#[test]
fn nothing_configured_lets_everybody_in() {
    assert_eq!(Auth::default().check(None, NOW), Ok(()));
}

#[test]
fn a_fresh_token_is_let_in() {
    for iat in [NOW - 60, NOW, NOW + 60] {
        assert_eq!(jwt().check(Some(&sign(HS256, &format!(r#"{{"iat":{iat}}}"#))), NOW), Ok(()), "{iat}");
    }
    let lower = sign(HS256, &format!(r#"{{"iat":{NOW},"exp":{NOW}}}"#)).replace("Bearer", "bearer");
    assert_eq!(jwt().check(Some(&lower), NOW), Ok(()));
}

/// The example of RFC 7515, appendix A.1: our HMAC is everybody's. Its claims have no `iat`.
#[test]
fn the_signature_is_the_standard_one() {
    let key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let signed = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                  eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let mut mac = Hmac::<Sha256>::new_from_slice(&URL_SAFE_NO_PAD.decode(key).unwrap()).unwrap();
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    assert_eq!(signature, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
}

#[test]
fn what_is_turned_away() {
    let iat = format!(r#"{{"iat":{NOW}}}"#);
    let good = sign(HS256, &iat);
    let mut forged = good.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let unsigned = format!("Bearer {}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&iat));
    for (header, why) in [
        (String::new(), Denied::Missing),
        ("Basic dXNlcjpwYXNz".into(), Denied::Missing),
        ("Bearer".into(), Denied::Missing),
        ("Bearer nonsense".into(), Denied::Invalid),
        ("Bearer a.b".into(), Denied::Invalid),
        (forged, Denied::Invalid),
        (unsigned, Denied::Invalid),
        (sign(r#"{"alg":"HS512"}"#, &iat), Denied::Invalid),
        (sign(HS256, "{}"), Denied::Invalid),
        (sign(HS256, &format!(r#"{{"iat":{}}}"#, NOW - 61)), Denied::Stale),
        (sign(HS256, &format!(r#"{{"iat":{}}}"#, NOW + 61)), Denied::Stale),
        (sign(HS256, &format!(r#"{{"iat":{NOW},"exp":{}}}"#, NOW - 1)), Denied::Expired),
        (format!("Bearer {}", "a".repeat(MAX_HEADER)), Denied::Missing),
    ] {
        assert_eq!(jwt().check(Some(&header), NOW), Err(why), "{header}");
    }
    assert_eq!(jwt().check(None, NOW), Err(Denied::Missing));
}

#[test]
fn static_tokens() {
    let auth = Auth::default().with_token_file(file("# ops\n0123456789abcdef\n\nfedcba9876543210\n").path()).unwrap();
    for token in ["0123456789abcdef", "fedcba9876543210"] {
        assert_eq!(auth.check(Some(&format!("Bearer {token}")), NOW), Ok(()));
    }
    assert_eq!(auth.check(Some("Bearer 0123456789abcdeF"), NOW), Err(Denied::Invalid));
    assert_eq!(format!("{auth:?}"), "Auth { jwt: false, tokens: 2 }", "no secret is shown");
}

#[test]
fn files_that_are_refused() {
    let secret = |text: &str| Auth::default().with_jwt_file(file(text).path());
    for text in ["", "0x1234", &SECRET[..64], &SECRET.replace('7', "g"), &SECRET.replace("0x73", "0x+3")] {
        assert!(matches!(secret(text), Err(AuthError::Secret { .. })), "{text}");
    }
    let tokens = |text: &str| Auth::default().with_token_file(file(text).path());
    assert!(matches!(tokens("# none\n"), Err(AuthError::NoToken { .. })));
    assert!(matches!(tokens("0123456789abcdef\nshort"), Err(AuthError::Token { line: 2, .. })));
    let missing = Auth::default().with_jwt_file(Path::new("/nonexistent/secret"));
    assert!(matches!(missing, Err(AuthError::Read { .. })));
}
