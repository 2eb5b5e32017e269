"""Look-up services: strict queries in, pages of outputs with their context out."""
