"""Who may attend to whom: edges that are cut, and running models under masks."""
