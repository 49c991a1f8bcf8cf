//! `pillarbox service print`: the systemd unit.

use super::{CONFIG_FILE, Failure, load_config, print};
use crate::config::Config;
use lexopt::Arg::{Long, Value};
use std::path::PathBuf;

/// `--help`.
pub const HELP: &str = "\
usage: pillarbox service print [--config FILE]

Prints a systemd unit for this very binary and your configuration (default:
/etc/pillarbox/pillarbox.toml). The server starts unprivileged: the unit gives it the low
ports and nothing else, and shuts it off from the rest of the machine.

example:
  useradd --system --home-dir /var/lib/pillarbox --shell /usr/sbin/nologin pillarbox
  pillarbox service print > /etc/systemd/system/pillarbox.service
  systemctl daemon-reload && systemctl enable --now pillarbox
";

/// Runs the verb.
pub fn run(mut arguments: lexopt::Parser) -> Result<(), Failure> {
    let (mut action, mut file) = (None, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Value(word) if action.is_none() => action = Some(word),
            Long("config") => file = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    match action.as_ref().and_then(|word| word.to_str()) {
        Some("print") => {}
        _ => return Err(Failure::usage(HELP)),
    }
    let file = file.unwrap_or_else(|| PathBuf::from(CONFIG_FILE));
    let config = load_config(Some(&file))?;
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    let binary =
        std::env::current_exe().unwrap_or_else(|_| PathBuf::from("/usr/local/bin/pillarbox"));
    print(&unit(&Facts {
        binary: binary.display().to_string(),
        config_file: absolute(file).display().to_string(),
        data: absolute(config.data.clone()).display().to_string(),
        user: config
            .user
            .clone()
            .unwrap_or_else(|| "pillarbox".to_string()),
        descriptors: descriptors(&config),
    }))
}

struct Facts {
    binary: String,
    config_file: String,
    data: String,
    user: String,
    descriptors: usize,
}

/// One per connection, one per spilled message, and some for the log, the databases and the listeners.
fn descriptors(config: &Config) -> usize {
    let mail = config.smtp_connections_max + config.submission_connections_max;
    2 * mail + 2 * config.imap_connections_max + 256
}

fn unit(facts: &Facts) -> String {
    let Facts {
        binary,
        config_file,
        data,
        user,
        descriptors,
    } = facts;
    // systemd makes (and owns) a directory below /var/lib by name; any other must exist already.
    let directory = match data.strip_prefix("/var/lib/") {
        Some(name) if !name.is_empty() => format!("StateDirectory={name}\nStateDirectoryMode=0700"),
        _ => format!("ReadWritePaths={data}"),
    };
    format!(
        "\
[Unit]
Description=Pillarbox mail server
Documentation=man:systemd.exec(5)
After=network-online.target nss-lookup.target
Wants=network-online.target

[Service]
# Started is said when clients are served. An index that must be made anew first takes its time.
Type=notify
TimeoutStartSec=infinity
ExecStart={binary} serve --config {config_file}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
TimeoutStopSec=40
User={user}
Group={user}
{directory}
UMask=0077
LimitNOFILE={descriptors}

# The low ports, and no other privilege.
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes

# Nothing of this machine but the data, the configuration and the certificates is of use to it.
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(data: &str) -> Facts {
        Facts {
            binary: "/usr/local/bin/pillarbox".into(),
            config_file: "/etc/pillarbox/pillarbox.toml".into(),
            data: data.into(),
            user: "pillarbox".into(),
            descriptors: 1000,
        }
    }

    #[test]
    fn the_unit_starts_this_binary_with_this_configuration() {
        let unit = unit(&facts("/var/lib/pillarbox"));
        assert!(unit.contains(
            "ExecStart=/usr/local/bin/pillarbox serve --config /etc/pillarbox/pillarbox.toml\n"
        ));
        assert!(unit.contains("Type=notify\nTimeoutStartSec=infinity\n"));
        assert!(unit.contains("StateDirectory=pillarbox\n"));
        assert!(unit.contains("LimitNOFILE=1000\n"));
        assert!(!unit.contains('{'));
    }

    #[test]
    fn data_elsewhere_is_made_writable() {
        assert!(unit(&facts("/srv/mail")).contains("ReadWritePaths=/srv/mail\n"));
    }
}
