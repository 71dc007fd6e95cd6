"""Using a trained network on images: faces found, framed as in training, and what it says of them."""
