"""A catalogue as maps, clusters and a table: which features tell its categories apart."""
