"""Procedurally drawn faces with exact landmarks: portraits of people who do not exist.

`person` says who it is, `expression` what the face does, `scene` how it is seen; `anatomy` turns the first
two into curves, `render` paints them, `generate` writes folders of images with their landmark table.
"""
