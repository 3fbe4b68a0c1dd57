//! A server that hears requests, says nothing, and notices when the client
//! closes the connection.

use std::{
    io::Read,
    net::TcpListener,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct SilentServer {
    pub(crate) port: u16,
    events: Receiver<Event>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The head of a request has come: its first line.
    Request(String),
    /// The client closed the connection.
    Closed,
}

impl SilentServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (event, events) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, event) = (stream.unwrap(), event.clone());
                thread::spawn(move || {
                    let mut head = Vec::new();
                    let mut buffer = [0; 1024];
                    loop {
                        match stream.read(&mut buffer) {
                            Ok(0) | Err(_) => break,
                            Ok(length) => head.extend_from_slice(&buffer[..length]),
                        }
                        if head.windows(4).any(|window| window == b"\r\n\r\n") {
                            let head = String::from_utf8_lossy(&head);
                            let line = head.lines().next().unwrap().to_owned();
                            let _ = event.send(Event::Request(line));
                        }
                    }
                    let _ = event.send(Event::Closed);
                });
            }
        });
        Self { port, events }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/fhir", self.port)
    }

    pub(crate) fn next(&self) -> Event {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }
}
