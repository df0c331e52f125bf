"""The edge's own HTTP/1.1 door on the event loop: no thread hop between a socket and the relay."""
