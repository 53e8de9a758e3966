"""The verifier: images in, P(yes), P(no) and critiques out. See `llava.LlavaVerifier`."""
