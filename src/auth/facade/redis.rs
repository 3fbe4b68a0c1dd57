//! A store that replicas share and that outlives a restart: a
//! [Redis](https://redis.io) server from 6.2 on. What is kept is sealed first;
//! Redis itself makes entries expire, and bounds its memory as it is set up to.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use redis::{Client, Cmd, FromRedisValue, RedisError, aio::MultiplexedConnection, cmd};
use tokio::sync::Mutex;

use super::store::{Key, Store, StoreError};
use crate::client::Secret;

/// What the names of our entries begin with.
const PREFIX: &str = "fhir-mcp:";
/// Time limit of a command, with the connection it may need first.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A store on a Redis server.
pub struct Redis {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redis(***)")
    }
}

impl Redis {
    /// A store at a URL like `redis://:password@host:6379/0`. Nothing is
    /// connected yet.
    ///
    /// # Errors
    /// [`StoreError`] when it is no such URL.
    pub fn new(url: &Secret) -> Result<Self, StoreError> {
        Ok(Self {
            // The error may quote the URL.
            client: Client::open(url.expose())
                .map_err(|_error| StoreError("its URL is none that Redis knows".to_owned()))?,
            connection: Mutex::default(),
        })
    }

    /// Whether Redis is there.
    ///
    /// # Errors
    /// [`StoreError`] when it does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.run::<String>(cmd("PING")).await.map(drop)
    }

    async fn run<T: FromRedisValue>(&self, command: Cmd) -> Result<T, StoreError> {
        let run = async {
            let mut connection = self.connection().await?;
            let result = command.query_async(&mut connection).await;
            if result
                .as_ref()
                .is_err_and(|error: &RedisError| error.is_unrecoverable_error())
            {
                *self.connection.lock().await = None;
            }
            result
        };
        match tokio::time::timeout(TIMEOUT, run).await {
            Ok(result) => result.map_err(|error| failure(&error)),
            Err(_) => {
                *self.connection.lock().await = None;
                Err(StoreError("Redis does not answer".to_owned()))
            }
        }
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = &*slot {
            return Ok(connection.clone());
        }
        let connection = self.client.get_multiplexed_async_connection().await?;
        *slot = Some(connection.clone());
        Ok(connection)
    }
}

fn failure(error: &RedisError) -> StoreError {
    // Its category alone: details may hold what was sent.
    StoreError(format!("Redis: {}", error.category()))
}

fn name(key: &Key) -> String {
    format!("{PREFIX}{key}")
}

fn set(key: &Key, value: &[u8], lifetime: Duration) -> Cmd {
    let mut set = cmd("SET");
    set.arg(name(key))
        .arg(value)
        .arg("EX")
        .arg(lifetime.as_secs().max(1));
    set
}

impl Store for Redis {
    fn put(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.run(set(&key, &value, lifetime)).await })
    }

    fn claim(
        &self,
        key: Key,
        value: Vec<u8>,
        lifetime: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut set = set(&key, &value, lifetime);
            set.arg("NX");
            let answer: Option<String> = self.run(set).await?;
            Ok(answer.is_some())
        })
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let mut get = cmd("GET");
            get.arg(name(&key));
            self.run(get).await
        })
    }

    fn take(&self, key: Key) -> BoxFuture<'_, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let mut take = cmd("GETDEL");
            take.arg(name(&key));
            self.run(take).await
        })
    }
}
