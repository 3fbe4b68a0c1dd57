//! Opens a page in the browser of whoever sits at this machine.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use url::Url;

/// Programs that show pages in the terminal they are started from, which a
/// server over standard input and output does not have.
const IN_TERMINAL: [&str; 9] = [
    "lynx", "links", "links2", "elinks", "w3m", "eww", "netrik", "retawq", "curl",
];

/// Whether a browser took the URL. The programs that `BROWSER` names come first,
/// separated by colons, `%s` in the place of the URL; where it names any, no
/// other is tried. None gets our input, which is that of the MCP client, or our
/// output.
pub(super) async fn open(url: Url) -> bool {
    let opening = tokio::task::spawn_blocking(move || {
        let named = std::env::var("BROWSER").unwrap_or_default();
        match named.trim().is_empty() {
            true => open_default(&url),
            false => commands(&named, &url).any(start),
        }
    });
    opening.await.unwrap_or(false)
}

fn open_default(url: &Url) -> bool {
    let mut options = webbrowser::BrowserOptions::new();
    options.with_suppress_output(true);
    let default = webbrowser::Browser::Default;
    webbrowser::open_browser_with_options(default, url.as_str(), &options).is_ok()
}

/// The commands of a `BROWSER` that open a window: program and arguments.
fn commands<'a>(named: &'a str, url: &'a Url) -> impl Iterator<Item = Vec<String>> + 'a {
    named.split(':').filter_map(|command| {
        let mut has_url = false;
        let mut words: Vec<String> = command
            .split_ascii_whitespace()
            .map(|word| {
                has_url |= word.contains("%s");
                word.replace("%s", url.as_str())
            })
            .collect();
        let program = Path::new(words.first()?).file_name()?.to_str()?.to_owned();
        if IN_TERMINAL.contains(&program.as_str()) {
            return None;
        }
        if !has_url {
            words.push(url.to_string());
        }
        Some(words)
    })
}

fn start(command: Vec<String>) -> bool {
    let mut words = command.into_iter();
    let Some(program) = words.next() else {
        return false;
    };
    let started = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut browser) = started else {
        return false;
    };
    // Somebody must take note of its end, which may be long after ours.
    std::thread::spawn(move || browser.wait());
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(named: &str) -> Vec<Vec<String>> {
        let url = Url::parse("https://as.example/a?b=c").unwrap();
        commands(named, &url).collect()
    }

    #[test]
    fn the_url_stands_where_it_is_wanted_or_last() {
        let url = "https://as.example/a?b=c";
        assert_eq!(of("firefox"), [["firefox", url]]);
        assert_eq!(
            of("a --new %s -x:/usr/bin/b"),
            [vec!["a", "--new", url, "-x"], vec!["/usr/bin/b", url]]
        );
    }

    #[test]
    fn none_runs_in_our_terminal() {
        assert_eq!(of("w3m:/usr/bin/lynx -accept_all_cookies"), [[""; 0]; 0]);
        assert_eq!(of(" : "), [[""; 0]; 0]);
    }
}
