"""aiConnected Voice: AI receptionists for business phone lines."""

__version__ = "0.1.0"
