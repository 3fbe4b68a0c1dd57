//! Sign-ins that replicas share on a Redis server. Opt-in: `REDIS_URL`.

use std::{sync::Arc, time::Duration};

use fhir_mcp_server::{
    auth::{
        facade::{
            redis::Redis,
            store::{Key, Kind, Store},
        },
        seal::{SealKey, random_text},
    },
    client::Secret,
};
use reqwest::StatusCode;
use serde_json::Value;

use crate::support::deployment::{Deployment, Setup};

fn redis() -> Option<Arc<Redis>> {
    let url = std::env::var("REDIS_URL").ok()?;
    Some(Arc::new(Redis::new(&Secret::new(url)).unwrap()))
}

#[tokio::test]
async fn entries_are_taken_once_and_expire() {
    let Some(redis) = redis() else { return };
    let name = random_text().unwrap();
    let key = || Key::new(Kind::Login, &name);
    let long = Duration::from_secs(60);
    redis.put(key(), vec![0, 255], long).await.unwrap();
    assert_eq!(redis.get(key()).await.unwrap().unwrap(), [0, 255]);
    let takes = (0..20).map(|_| redis.take(key()));
    let taken = futures::future::join_all(takes).await;
    let taken = taken.into_iter().filter_map(|value| value.unwrap());
    assert_eq!(taken.count(), 1);
    assert!(redis.claim(key(), Vec::new(), long).await.unwrap());
    assert!(!redis.claim(key(), Vec::new(), long).await.unwrap());
    redis
        .put(key(), vec![1], Duration::from_secs(1))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(redis.get(key()).await.unwrap(), None);
    redis.ping().await.unwrap();
}

#[tokio::test]
async fn two_replicas_serve_one_sign_in() {
    let Some(store) = redis() else { return };
    let key = Arc::new(SealKey::derive(b"a secret of the operator").unwrap());
    let setup = |upstream| Setup {
        store: Some(store.clone()),
        key: Some(Arc::clone(&key)),
        upstream,
        ..Setup::default()
    };
    let first = Deployment::start(setup(None)).await;
    first.upstream.behaviour().lifetime = 0;
    let client = first.client().await;
    let tokens = first.sign_in(&client, "fhir.read").await;
    let upstream = first.stop().await;
    upstream.behaviour().lifetime = 3600;
    let second = Deployment::start(setup(Some(upstream))).await;
    let access = tokens["access_token"].as_str().unwrap();
    let reads = (0..10).map(|_| second.read(access));
    for answer in futures::future::join_all(reads).await {
        assert_eq!(answer["isError"], false);
    }
    assert_eq!(second.upstream.behaviour().exchanges.len(), 2);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let (status, fresh): (_, Value) = second.refresh(&client, refresh).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = second.refresh(&client, refresh).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let revoked = second.list(fresh["access_token"].as_str()).await.status();
    assert_eq!(revoked, StatusCode::UNAUTHORIZED);
}
