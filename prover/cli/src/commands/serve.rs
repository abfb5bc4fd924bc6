//! `clearproof serve`: the compliance engine over HTTP.

use clearproof_service::config::{self, Config, ConfigError};
use clearproof_service::http::Server;

use crate::args::Serve;
use crate::failure::Failure;

use super::print;

/// Makes a new log's folder, or serves one until it is told to stop.
pub(super) fn serve(arguments: &Serve) -> Result<(), anyhow::Error> {
    let dir = &arguments.dir;
    if let (true, Some(origin)) = (arguments.init, &arguments.origin) {
        let made = config::initialize(dir, origin).map_err(|error| refused(&error))?;
        let mut text = format!(
            "{}: a new log\n  public key   {}\n  API keys, shown this once:\n",
            dir.display(),
            made.log_key
        );
        for (role, key) in &made.keys {
            text += &format!("    {:<9}{}\n", role.name(), key.as_str());
        }
        return Ok(print(&text)?);
    }
    let config = Config::read(dir).map_err(|error| refused(&error))?;
    let opened = config::open(&config, config.mode).map_err(|error| refused(&error))?;
    let models = opened.loaded.len();
    let log_key = opened.log_key.clone();
    let server = Server::start(config, opened, arguments.listen, |line| {
        eprintln!("clearproof: {line}");
    })
    .map_err(|error| Failure::bad_input(&error))?;
    print(&format!(
        "{}  models loaded: {models}  log: {log_key}\n",
        server.url()
    ))?;
    server.wait_for_signal()?;
    eprintln!("clearproof: stopping");
    server.stop();
    Ok(())
}

fn refused(error: &ConfigError) -> Failure {
    match error {
        ConfigError::NotEmpty { .. } | ConfigError::Missing { .. } => {
            Failure::usage(error.to_string())
        }
        _ => Failure::bad_input(error),
    }
}
