"""What a drawing consists of: ids, captions, colours, boxes, and the texts that drawers read."""
