//! The binary while it serves.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::{Value, json};

/// Time after which a test that waits in vain fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that is killed when dropped.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    answers: mpsc::Receiver<Value>,
    log: Arc<Mutex<String>>,
    log_lines: mpsc::Receiver<String>,
    logging: Option<JoinHandle<()>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (answer, answers) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines() {
                let message = serde_json::from_str(&line.unwrap()).unwrap();
                let _ = answer.send(message);
            }
        });
        let log = Arc::<Mutex<String>>::default();
        let (log_line, log_lines) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let whole = Arc::clone(&log);
        let logging = thread::spawn(move || {
            for line in errors.lines() {
                let line = line.unwrap();
                *whole.lock().unwrap() += &format!("{line}\n");
                let _ = log_line.send(line);
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            answers,
            log,
            log_lines,
            logging: Some(logging),
        }
    }

    /// Waits for a line of the log that holds this text.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        loop {
            let line = self.log_lines.recv_timeout(PATIENCE).expect(text);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// `http://127.0.0.1:port`, once it listens.
    pub(crate) fn origin(&self) -> String {
        let line = self.wait_for("listening on ");
        let (_, url) = line.split_once("listening on ").unwrap();
        // With authorization the address stands before the URL of the clients.
        match url.split_once("; clients use ") {
            Some((address, _)) => format!("http://{address}"),
            None => url.rsplit_once('/').unwrap().0.to_owned(),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        input.write_all(bytes).unwrap();
        input.write_all(b"\n").unwrap();
        input.flush().unwrap();
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.write(message.to_string().as_bytes());
    }

    /// The next message on standard output.
    pub(crate) fn answer(&self) -> Value {
        self.answers.recv_timeout(PATIENCE).expect("an answer")
    }

    /// Begins as an older client does.
    pub(crate) fn initialize(&mut self) {
        self.send(
            &json!({ "jsonrpc": "2.0", "id": "begin", "method": "initialize", "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            } }),
        );
        assert_eq!(self.answer()["id"], "begin");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    }

    pub(crate) fn call(&mut self, id: u64, tool: &str, arguments: &Value) {
        self.send(&call(id, tool, arguments));
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes standard input and waits for the end and the whole log; says whether
    /// the end was one of success.
    pub(crate) fn end(&mut self) -> bool {
        drop(self.input.take());
        let status = self.child.wait().unwrap();
        if let Some(logging) = self.logging.take() {
            logging.join().unwrap();
        }
        status.success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The message that calls a tool.
pub(crate) fn call(id: u64, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
        "name": tool,
        "arguments": arguments,
    } })
}
