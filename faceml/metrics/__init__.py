"""What is measured on validation faces."""
