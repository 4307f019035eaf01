"""Results as people and programs read them: tables, tab-separated lines, plots, documents."""
