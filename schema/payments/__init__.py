"""What payment providers and we agree on: signatures, prices, messages. No sockets."""
