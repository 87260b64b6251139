use super::*;
use proptest::prelude::*;

/// As PostgreSQL writes them.
#[test]
fn paths_that_are_linear_are_taken() {
    for path in [
        "$",
        "1",
        "strict $",
        "$.\"a\"[*]?(@ > 1)",
        "$.\"items\"[*]?(@.\"qty\" > 1 && @.\"kind\" == \"x\")",
        "($.\"amount\" > 100)",
        "($.\"a\" / $.\"b\" > 1)",
        "($.\"n\" < 1000 && $.\"t\" starts with \"ü\")",
        "($.\"at\".datetime() >= \"2024-06-01T00:00:00+02:00\".datetime())",
        "($.\"at\".datetime(\"bogus\") == \"2024-06-01\".datetime())",
        "($.\"$x\" == \"$y\" || $.\"a\" like_regex \"\\\"$\")",
        "(-$.\"a\"[0 to last,3].size() % 2)",
        "$.**{2 to last}.\"a\".*",
        "($.\"a\" == 1) is unknown",
        "(!($.\"a\" == 1) && $.\"b\" == 2)",
        "$[last - 1]",
        "((1.5).type() == \"x\")",
        "($.\"a\".decimal(4,2) > 10000000000)",
        "$.\"a\"?((@ > 1) is unknown).\"b\"",
        "$.\"a\"[*]?(exists (@.\"b\"[*]?(@.\"c\" > 1)))",
        "$.keyvalue().\"key\"",
        "($.size() == $.type())",
        "strict ($.\"a\".size() == $.\"b\".size())",
        "strict $.\"a\"?(@.\"x\" > 1 && (@.\"y\" + 2) * 3 < $.\"b\" || !(exists (@.\"c\")))",
        "(strict_is_no_word() == 1)",
        "strict ($.\"status\" == $.\"previous\")",
        "strict $.\"items\"[*]?(@.\"price\" > $.\"limit\"[0])",
        "strict $.\"items\"[*]?(@.\"n\" == $.\"items\".size() && $.\"t\" starts with \"x\")",
        "strict $.\"a\"?(@ > 1) == $.\"b\"",
        "($.\"a\" like_regex \"^.{1,200}$\" flag \"i\")",
        "($.\"a\" like_regex \"(((((((((((x{9999999\" flag \"q\")",
    ] {
        match check(path) {
            Ok(()) => {}
            Err(PathError::Unreadable(1)) if path.starts_with("(strict_is") => {}
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

#[test]
fn paths_that_may_take_long_are_refused() {
    use PathError as E;
    let wildcards = format!("${}", "[*]".repeat(11));
    let long = format!("($.\"a\" == \"{}\")", "x".repeat(1000));
    for (path, expected) in [
        ("$.\"a\"[*]?(@ == $.\"a\"[*])", E::Root),
        ("strict $.\"a\"[*]?(@ == $.\"a\"[*])", E::Root),
        ("$.\"a\"[*]?(@.\"price\" > $.\"limit\")", E::Root),
        ("$.\"a\"?(exists ($.\"b\"?(@ == 1)))", E::Root),
        ("$.\"a\"?($.\"a\" like_regex \"x\")", E::Root),
        (
            "strict $.\"a\"[*]?(exists ($.\"b\"?(@.\"c\"[*] < 0)))",
            E::Root,
        ),
        ("strict $.\"a\"[*]?($.\"t\" like_regex \"x\")", E::Root),
        ("strict $.\"a\"[*]?($.\"n\" * $.\"n\" > @)", E::Root),
        ("strict $.\"a\"[*]?(1 - $.\"n\" > @)", E::Root),
        ("strict $.\"a\"[*]?(@ < -$.\"n\")", E::Root),
        ("strict $.\"a\"[*]?(@ < ($.\"n\") + 1)", E::Root),
        ("strict $.\"a\"[*]?(@ < $.\"n\".double())", E::Root),
        ("($?(1 == 1).size() == $[*])", E::Product),
        ("($[0]?(1 == 1).type() == $[*])", E::Product),
        ("($.\"a\"[*] == $.\"b\"[*])", E::Product),
        ("strict ($.\"a\"[*] == $.\"b\"[*])", E::Product),
        ("($.\"a\" == $.\"b\")", E::Product),
        ("$.\"a\"?(@.\"x\" != @.\"y\")", E::Product),
        ("$.\"a\"?(@ == @)", E::Product),
        ("($.\"a\".double() < $.\"b\".double())", E::Product),
        ("(-$.\"a\" < -$.\"b\")", E::Product),
        ("$.**.\"a\".**", E::Descents),
        ("$.**?(exists (@.**{2}))", E::Descents),
        ("$?(@.\"a\"?(@.\"b\"?(@ == 1) == 1) == 1)", E::Nested),
        ("$.keyvalue().keyvalue()", E::KeyValues),
        ("$.**.keyvalue()", E::KeyValues),
        ("$[0,0][0,0][0,0][0,0][0,0]", E::Subscripts),
        ("$[0 to last,0 to last][0,1,2,3,4,5,6,7,8]", E::Subscripts),
        ("$.\"a\"[$.\"b\"]", E::ComputedSubscript),
        ("$.\"a\"[*]?(@[@.\"i\"] == 1)", E::ComputedSubscript),
        ("($.\"a\" == $\"x\")", E::Variable),
        ("$?(@ starts with $\"x y\")", E::Variable),
        (
            "($.\"a\" * $.\"a\" * $.\"a\" / $.\"a\" % 2 > 1)",
            E::Products,
        ),
        (wildcards.as_str(), E::Wildcards),
        (long.as_str(), E::TooLong(1013)),
        ("$.\"a\".", E::Unreadable(6)),
        ("$.\"a\" ~ 1", E::Unreadable(6)),
        ("$) ", E::Unreadable(1)),
        ("", E::Unreadable(0)),
    ] {
        assert_eq!(check(path), Err(expected), "{path}");
    }
}

#[test]
fn regular_expressions_have_a_size() {
    for (pattern, expected) in [
        ("", Ok(0)),
        ("^inv-[0-9]{4,8}$", Ok(14)),
        ("a|b+|c*?", Ok(3)),
        ("(?:ab){10}", Ok(30)),
        ("(a?){10}", Ok(160)),
        ("(a?){100}", Err(RegexError::TooLarge)),
        ("(a*b*){50}", Err(RegexError::TooLarge)),
        ("(a|){100}", Err(RegexError::TooLarge)),
        ("(\\ya)+\\m{2}", Ok(19)),
        ("(\\y){127}", Err(RegexError::TooLarge)),
        ("^((a?){35}){35}$", Err(RegexError::TooLarge)),
        (".{255}", Ok(255)),
        (".{256}.", Err(RegexError::TooLarge)),
        ("x{3,}{99999999999999999999}", Err(RegexError::TooLarge)),
        ("[]^(?=\\]]{2}[^]](a)", Ok(5)),
        ("[[:alpha:][.].]a-z]\\d\\\\1", Ok(4)),
        ("{x}a{", Ok(5)),
        ("\\c(a", Ok(2)),
        ("^(a+)(a+)b\\1\\2c$", Err(RegexError::BackReference)),
        ("(a)\\01", Ok(4)),
        ("a(?=b)", Err(RegexError::Lookaround)),
        ("a(?!b)", Err(RegexError::Lookaround)),
        ("(?<=b)a", Err(RegexError::Lookaround)),
        ("(?<!b)a", Err(RegexError::Lookaround)),
        ("***:a", Err(RegexError::Options)),
        ("(?e)a", Err(RegexError::Options)),
        ("(a", Err(RegexError::Unreadable)),
        ("a)", Err(RegexError::Unreadable)),
        ("[a", Err(RegexError::Unreadable)),
        ("a\\", Err(RegexError::Unreadable)),
    ] {
        assert_eq!(regex::atoms(pattern), expected, "{pattern}");
    }
    let deep = "(".repeat(100_000);
    assert_eq!(regex::atoms(&deep), Err(RegexError::TooLarge));
    // The sum of all.
    let path = |n: usize| vec!["$.\"a\" like_regex \"x{100}\""; n].join(" || ");
    assert_eq!(check(&path(2)), Ok(()));
    assert_eq!(check(&path(3)), Err(RegexError::TooLarge.into()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_answered(path in "(\\$|@|\\.\"a\"|\\.\\*\\*|\\[\\*\\]|\\[|\\]|\\?\\(|\\(|\\)| == | && | like_regex \"a\\{9\\}\"|!|exists |last|to|,|[0-9]|\"|\\\\|\\PC){0,30}") {
        let _ = check(&path);
    }

    #[test]
    fn any_pattern_is_answered(pattern in "([a-c()\\[\\]{},?*+|\\\\^$:=!<0-9]|\\PC){0,30}") {
        let _ = regex::atoms(&pattern);
    }
}
