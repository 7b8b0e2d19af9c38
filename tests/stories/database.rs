//! PostgreSQL, the hub's database: it starts for a story and answers.
//!
//! The hub's own stories come with the hub; this one keeps its toolchain proven in CI.

use crate::support::postgres::Postgres;

#[tokio::test]
async fn postgresql_starts_for_a_story_answers_and_stops() {
    let Some(postgres) = Postgres::start().await else { return };

    postgres.query("CREATE TABLE room (id bigint PRIMARY KEY, name text NOT NULL)").await;
    postgres.query("INSERT INTO room VALUES (1, 'cold'), (2, 'dry')").await;
    let rows = postgres.query("SELECT id, name FROM room ORDER BY id").await;

    assert_eq!(rows, "1|cold\n2|dry");
    assert_eq!(postgres.stop().await, Some(0));
}
