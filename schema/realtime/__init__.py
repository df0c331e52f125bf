"""OpenAI Realtime without sockets: events read, turns metered, the upstream handshake written."""
