"""The built-in transforms, one file each, applied in ascending `order`."""
