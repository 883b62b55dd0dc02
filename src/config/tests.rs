use super::*;
use std::io::Write as _;

fn load(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Config, Bad> {
    let owned = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Config::load(&Flags::from_pairs(flags.iter().copied()), owned)
}

#[test]
fn each_later_layer_wins() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "code_tries = 2\ncode_minutes = 3\ncodes_per_hour = 4").unwrap();
    writeln!(file, "sms_countries = ['DE', 'AT']").unwrap();
    let path = file.path().to_str().unwrap();
    let environment = [
        ("LETTERBOX_CONFIG", path),
        ("LETTERBOX_CODE_MINUTES", "33"),
        ("LETTERBOX_CODES_PER_HOUR", "44"),
        ("LETTERBOX_PORT", "tcp://10.0.0.1:80"),
    ];
    let config = load(&[("codes_per_hour", "444")], &environment).unwrap();
    assert_eq!((config.code_tries, config.code_minutes, config.codes_per_hour), (2, 33, 444));
    assert_eq!(config.sms_countries, ["DE", "AT"]);
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
}

#[test]
fn a_bad_setting_is_named_with_its_place_and_without_its_value() {
    for (name, text) in [
        ("listen", "nowhere-special"),
        ("public_url", "http://example-special.org"),
        ("public_url", "https://example.org/special"),
        ("public_url", "https://127.0.0.1"),
        ("database", "mysql://special"),
        ("trusted_proxies", "10.0.0.0/33"),
        ("sms", "special"),
        ("code_tries", "70000"),
        ("tokens_per_day", "0"),
        ("body_bytes", "10"),
        ("sms_webhook_url", "http://special.example"),
    ] {
        let error = load(&[(name, text)], &[]).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")), "{error}");
        assert!(!error.contains("special"), "{error}");
    }
    let error = load(&[], &[("LETTERBOX_CODE_TRIES", "many")]).unwrap_err().to_string();
    assert!(error.contains("the environment"), "{error}");
}

#[test]
fn an_unknown_key_in_the_file_is_refused() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "lisen = '127.0.0.1:1'").unwrap();
    let error = load(&[("config", file.path().to_str().unwrap())], &[]).unwrap_err().to_string();
    assert!(error.contains("`lisen`"), "{error}");
}

#[test]
fn the_console_prints_codes_only_on_localhost() {
    let error = load(&[("listen", "0.0.0.0:8080")], &[]).unwrap_err().to_string();
    assert!(error.contains("`sms`"), "{error}");
    let webhook = [
        ("listen", "0.0.0.0:8080"),
        ("sms", "webhook"),
        ("sms_webhook_url", "https://sms.example/send"),
        ("sms_webhook_secret", "0123456789abcdef"),
    ];
    assert!(load(&webhook, &[]).is_ok());
    assert!(load(&webhook[..3], &[]).unwrap_err().to_string().contains("`sms_webhook_secret`"));
}

#[test]
fn debug_shows_no_secret() {
    let config = load(
        &[
            ("database", "postgres://u:hunter2@h/n"),
            ("sms_webhook_secret", "hunter2hunter2hunter2"),
        ],
        &[],
    );
    assert!(!format!("{:?}", config.unwrap()).contains("hunter2"));
}

#[test]
fn networks_hold_their_addresses() {
    let config = load(&[("trusted_proxies", "10.0.0.0/8, ::1, 192.0.2.7")], &[]).unwrap();
    let trusted = |ip: &str| {
        config.trusted_proxies.iter().any(|network| network.contains(ip.parse().unwrap()))
    };
    assert!(trusted("10.255.0.1") && trusted("::ffff:10.0.0.9") && trusted("::1"));
    assert!(trusted("192.0.2.7") && !trusted("192.0.2.8") && !trusted("11.0.0.1"));
}
