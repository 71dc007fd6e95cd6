"""Task losses and the ways to weigh them."""
