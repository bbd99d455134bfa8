"""The private PostgreSQL and Valkey of `almoner serve`, and what keeps them alive."""
