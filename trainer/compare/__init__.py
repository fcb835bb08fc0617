"""The networks of the published studies, trained and scored side by side."""
