"""Results for people and programs: tables, tab-separated lines, plots, documents."""
