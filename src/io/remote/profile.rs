//! Who asks AWS, where no variable says it: the files that `aws configure` writes.

use std::env;
use std::path::PathBuf;

use configparser::ini::Ini;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};

/// What the profile has, AWS_PROFILE or `default`, for a builder that was made from variables.
pub(super) fn apply(mut builder: AmazonS3Builder) -> AmazonS3Builder {
    let profile = variable("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    let credentials = read("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials");
    let config = read("AWS_CONFIG_FILE", ".aws/config");
    let section = if profile == "default" { profile.clone() } else { format!("profile {profile}") };
    let find = |name: &str| {
        let in_file =
            |ini: &Option<Ini>, section: &str| ini.as_ref()?.get(section, name).filter(|text| !text.is_empty());
        in_file(&credentials, &profile).or_else(|| in_file(&config, &section))
    };
    // What a process is given goes first; a key of one place does not go with the secret of another.
    let has_credentials = [
        "AWS_ACCESS_KEY_ID",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if !has_credentials.into_iter().any(|name| variable(name).is_some())
        && let (Some(key), Some(secret)) = (find("aws_access_key_id"), find("aws_secret_access_key"))
    {
        builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        if let Some(token) = find("aws_session_token") {
            builder = builder.with_token(token);
        }
    }
    for (key, names, entry) in [
        (AmazonS3ConfigKey::Region, &["AWS_REGION", "AWS_DEFAULT_REGION"][..], "region"),
        (AmazonS3ConfigKey::Endpoint, &["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"], "endpoint_url"),
    ] {
        let said = names.iter().find_map(|name| variable(name)).or_else(|| find(entry));
        if let Some(value) = said {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

fn read(variable_name: &str, usual: &str) -> Option<Ini> {
    let path = variable(variable_name).map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(usual)))?;
    let mut ini = Ini::new();
    ini.read(std::fs::read_to_string(path).ok()?).ok()?;
    Some(ini)
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
