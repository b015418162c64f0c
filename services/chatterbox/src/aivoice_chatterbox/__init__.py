"""A text-to-speech server for one GPU and many phone calls, over the MIT `chatterbox-tts` package (Turbo).

``aivoice-chatterbox --help``; the wire formats are in `socket_api` and `http_api`.
"""

RELEASE = "1"
"""Of what this package itself does to the sound (cutting, joining); part of the revision that clients cache by."""
