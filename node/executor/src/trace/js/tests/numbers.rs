//! `bigInt`: the interface of the big-integer library that geth's tracers find.

use super::*;

/// The texts of expressions.
fn texts(expressions: &[&str]) -> Value {
    run(&PUSHES, &answer(&format!("[{}].map(String)", expressions.join(","))))
}

#[test]
fn numbers_are_made_of_numbers_texts_and_digits() {
    let made = texts(&[
        "bigInt()",
        "bigInt(-5)",
        "bigInt('123456789012345678901234567890').toString()",
        "bigInt('ff', 16)",
        "bigInt('-zz', 36)",
        "bigInt('1e3')",
        "bigInt('12.5e1')",
        "bigInt(bigInt(9))",
        "bigInt(7n)",
        "bigInt.fromArray([1, 2, 3])",
        "bigInt('10', 10)",
    ]);
    assert_eq!(
        made,
        json!(["0", "-5", "123456789012345678901234567890", "255", "-1295", "1000", "125", "9", "7", "123", "10"])
    );
    for wrong in [
        "bigInt('x')",
        "bigInt(1.5)",
        "bigInt('12', 2)",
        "bigInt(NaN)",
        "bigInt('1e99999999999')",
        "bigInt(1).divide(0)",
        "bigInt(1).mod('0')",
    ] {
        assert!(refused(&PUSHES, &answer(wrong)).contains("Error"), "{wrong}");
    }
}

#[test]
fn arithmetic_is_that_of_the_library() {
    let pairs = [
        ("bigInt(2).pow(256).minus(1).toString(16)", "f".repeat(64)),
        ("bigInt(7).add('8').plus(1)", "16".into()),
        ("bigInt(7).subtract(8).minus(1)", "-2".into()),
        ("bigInt(-7).divide(2)", "-3".into()),
        ("bigInt(-7).mod(2)", "-1".into()),
        ("bigInt(-7).over(2).times(3).multiply(2)", "-18".into()),
        ("bigInt(17).divmod(5).remainder", "2".into()),
        ("bigInt(1).shiftLeft(70).shiftRight(68)", "4".into()),
        ("bigInt(-5).shiftRight(1)", "-3".into()),
        ("bigInt(1024).shiftLeft(-3)", "128".into()),
        ("bigInt(3).modPow(200, 13)", "9".into()),
        ("bigInt(3).modInv(11)", "4".into()),
        ("bigInt(12).and(10).or(1).xor(3)", "10".into()),
        ("bigInt(5).not().negate().abs().next().prev().square()", "36".into()),
        ("bigInt(5).pow(-1)", "0".into()),
        ("bigInt.gcd(12, 18)", "6".into()),
        ("bigInt.lcm(4, 6)", "12".into()),
        ("bigInt.max(3, 9)", "9".into()),
        ("bigInt.min(3, 9)", "3".into()),
        ("bigInt.zero.add(bigInt.one).add(bigInt.minusOne)", "0".into()),
    ];
    let (expressions, expected): (Vec<&str>, Vec<String>) = pairs.into_iter().unzip();
    assert_eq!(texts(&expressions), json!(expected));
}

#[test]
fn comparisons_are_that_of_the_library() {
    let script = answer(
        "(function(a) { return [a.compare(5), a.compareTo(6), a.compare('-9'), a.equals('5'), a.eq(6), a.neq(6), a.gt(4), a.greater(5), a.geq(5), a.lt(6), a.leq(4), a.lesserOrEquals(5), a.isZero(), a.isOdd(), a.isEven(), a.isPositive(), a.isNegative(), a.isUnit(), a.isDivisibleBy(5), a.compareAbs(-6), bigInt.isInstance(a), bigInt.isInstance(5)]; })(bigInt(5))",
    );
    assert_eq!(
        run(&PUSHES, &script),
        json!([
            0, -1, 1, true, false, true, true, false, true, true, false, true, false, true, false, true, false, false,
            true, -1, true, false
        ])
    );
}

#[test]
fn numbers_stand_for_themselves_in_expressions_and_answers() {
    let script = answer(
        "[bigInt(5) + 1, bigInt(5) + '', bigInt(5) > 4, bigInt('100000000000000000000000') + '', bigInt(5).toJSNumber(), JSON.stringify({a: bigInt('18446744073709551616')}), bigInt(5) instanceof bigInt]",
    );
    assert_eq!(run(&PUSHES, &script), json!([6, "5", true, "1e+23", 5, r#"{"a":"18446744073709551616"}"#, true]));
}
