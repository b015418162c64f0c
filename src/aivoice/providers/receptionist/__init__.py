"""The rule-based receptionist behind the LanguageModel port: `Receptionist(business)`."""

from aivoice.providers.receptionist.facts import Facts
from aivoice.providers.receptionist.model import Receptionist

__all__ = ["Facts", "Receptionist"]
