//! The ways into a Stockbook's databases.

use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};

use super::Stockbook;

impl Stockbook {
    /// A connection to the write database that may do anything.
    pub async fn superuser(&self) -> PgConnection {
        self.superuser_of(Some(self.urls.write.path())).await
    }

    /// A connection to the read database that may do anything.
    pub async fn read_superuser(&self) -> PgConnection {
        self.superuser_of(Some(self.urls.read.path())).await
    }

    /// A connection to the database of keys that may do anything.
    pub async fn keys_superuser(&self) -> PgConnection {
        let personal = self.personal.as_ref().expect("it keeps personal data");
        self.superuser_of(Some(personal.keys.owner.path())).await
    }

    /// A connection to the superuser's own database, from where all others can be dealt with.
    pub async fn server_superuser(&self) -> PgConnection {
        self.superuser_of(None).await
    }

    async fn superuser_of(&self, database: Option<&str>) -> PgConnection {
        let databases = self.world.servers().databases().expect("there is a Postgres");
        let mut url = databases.admin_url().clone();
        if let Some(database) = database {
            url.set_path(database);
        }
        PgConnection::connect(url.as_str()).await.expect("the database answers")
    }

    /// Connections to the write database as the service's own role.
    pub async fn write_database(&self) -> PgPool {
        pool(self.urls.write.as_str()).await
    }

    /// Connections to the read database as the service's own role.
    pub async fn read_database(&self) -> PgPool {
        pool(self.urls.read.as_str()).await
    }
}

async fn pool(url: &str) -> PgPool {
    PgPoolOptions::new().max_connections(2).connect(url).await.expect("the database answers")
}
