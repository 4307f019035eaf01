"""The learned side: building and training the bundled model. It stands above every stage."""
