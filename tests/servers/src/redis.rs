//! A Redis or Valkey server, and a Redis Cluster.
