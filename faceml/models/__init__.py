"""Networks: backbone, heads, and the two models made of them."""
