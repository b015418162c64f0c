"""The receptionist's wording: a few ways to say each thing, chosen by the turn so that a replay says the same.

Every phrase starts with a short clause: it is what the caller waits for. `{…}` are filled by the caller of `Voice.say`.
"""

from __future__ import annotations

from dataclasses import dataclass

from aivoice.providers.receptionist.text import plain

PHRASES: dict[str, tuple[str, ...]] = {
    "greeting": (
        "Hello, this is {business}. How can I help you?",
        "Hi, you've reached {business}. What can I do for you?",
    ),
    "hello": ("Hello! How can I help you?", "Hi there, what can I do for you?", "Hello, how may I help?"),
    "hello_again": ("Hello!", "Hi there!"),
    "how_help": ("How can I help you?", "What can I do for you?", "What do you need?"),
    "hurry": ("I'll be quick.", "Of course, I'll keep it short."),
    "fine": ("I'm well, thank you.", "Doing well, thanks for asking."),
    "welcome": ("You're welcome.", "My pleasure.", "Happy to help."),
    "anything_else": (
        "Is there anything else I can help with?",
        "Anything else I can do for you?",
        "What else can I do for you?",
    ),
    "goodbye": ("Thank you for calling {business}. Goodbye!", "Thanks for calling {business}. Take care, goodbye!"),
    "nothing_booked": ("All right, I haven't done anything yet.", "Okay, nothing has been set up."),
    "hear": ("Yes, I can hear you.", "I'm here, I hear you fine."),
    "robot": (
        "I'm {business}'s automated assistant, not a person.",
        "No, I'm not a person; I'm the automated receptionist for {business}.",
    ),
    "robot_offer": (
        "I can help right away, or put you through to someone.",
        "I'm glad to help, or I can transfer you to a person.",
    ),
    "robot_help": ("I'm glad to help, or take a message.", "Tell me what you need and I'll do my best."),
    "who": (
        "This is {business}, I'm the automated receptionist.",
        "You've reached {business}. I'm the automated receptionist.",
    ),
    "transfer": (
        "Of course, I'll put you through now.",
        "Sure, let me transfer you.",
        "Absolutely, connecting you now.",
    ),
    "transfer_failed": ("I'm sorry, nobody could take the call just now.", "Sorry, I couldn't get anyone on the line."),
    "no_transfer": (
        "I'm sorry, I can't transfer calls from here.",
        "Sorry, I have nobody to put you through to right now.",
    ),
    "offer_message": (
        "Shall I take a message?",
        "Would you like me to take a message?",
        "Would you like to leave a message?",
    ),
    "offer_transfer": ("Shall I put you through to someone?", "Would you like me to transfer you to a person?"),
    "offer_either": (
        "Would you like me to take a message, or put you through to someone?",
        "I can take a message or transfer you to a person. Which would you like?",
    ),
    "dont_know": (
        "I'm not sure about that, and I'd rather not guess.",
        "Sorry, I don't have that information.",
        "That's something I don't know, I'm afraid.",
    ),
    "not_listed": ("I don't see anything about {topic}.", "I have nothing noted about {topic}."),
    "what_i_have": ("What I do know:", "Here's what I have:"),
    "not_caught": (
        "Sorry, I didn't quite catch that. Could you say it another way?",
        "I'm sorry, I missed that. What can I help you with?",
        "Sorry, could you tell me that once more?",
    ),
    "ack": ("Sure.", "Of course.", "Certainly.", "Gladly."),
    "got_it": ("Got it.", "Thank you.", "Okay.", "Great, thanks."),
    "changed": ("No problem, I've changed that.", "Sure, I've updated that.", "Of course, changed."),
    "check": ("Let me check.", "One moment, I'll look.", "Let me have a look."),
    "doing": ("Great, one moment.", "All right, doing that now.", "Perfect, just a second."),
    "wait": ("Of course, take your time.", "No rush, I'm here.", "Sure, I'll wait."),
    "slower": ("Of course, more slowly.", "Sure, I'll take it slower."),
    "repeat": ("Of course.", "Sure, once more.", "Certainly."),
    "nothing_said": ("I hadn't said anything yet. How can I help you?", "Let's start here: how can I help you?"),
    "cancelled": ("No problem, I've dropped that.", "All right, forget about that one.", "Okay, I've left it."),
    "what_change": (
        "Okay. What should I change?",
        "Sorry about that. Which part is wrong?",
        "All right, what would you like to change?",
    ),
    "not_understood_value": ("Sorry, I didn't get that.", "I'm sorry, I missed that.", "Sorry, once more please."),
    "stuck": ("I'm having trouble with this part, sorry.", "Sorry, I can't seem to get this right."),
    "back": ("Now, back to it.", "So, to continue.", "Coming back to your request."),
    "confirm": (
        "Shall I go ahead?",
        "Is that right, shall I go ahead?",
        "Is everything correct, and shall I go ahead?",
    ),
    "readback": ("Let me read that back:", "So that's:", "To confirm:", "Just to check:"),
    "done": ("All set.", "That's done.", "Done."),
    "already": (
        "That's already done, so I won't do it twice.",
        "I've done exactly that already, no need for a second time.",
    ),
    "cannot_change": (
        "That one is already done, and I can't change it from here.",
        "It's already gone through; changing it is beyond what I can do.",
    ),
    "failed": ("I'm sorry, that didn't go through.", "Sorry, that didn't work."),
    "unknown": (
        "I'm sorry, I can't tell whether that went through, and I won't risk doing it twice.",
        "Sorry, I got no clear answer on whether that worked, so I won't try it again.",
    ),
    "lookup_failed": ("I'm sorry, I can't check that right now.", "Sorry, the lookup isn't working at the moment."),
    "working": ("I'm still working on that, one moment.", "That's still in progress, just a moment."),
    "past": ("That day has already passed.", "{value} is in the past."),
    "impossible_day": ("That day doesn't exist.", "There's no such day, I'm afraid."),
    "closed_day": ("We're closed on {value}.", "I'm sorry, {value} is a day we're closed."),
    "closed_time": ("We're not open at {value} that day.", "I'm sorry, {value} is outside our hours."),
    "mismatch": ("{value} would be a {weekday}.", "Just checking: {value} is a {weekday}."),
    "which_day": ("Which day did you mean?", "Which day exactly?"),
    "too_small": ("It has to be at least {limit}.", "The least I can take is {limit}."),
    "too_big": ("The most I can take is {limit}.", "It can't be more than {limit}."),
    "not_valid": ("That doesn't look complete to me.", "Something seems to be missing there."),
    "free": ("Yes, {value} is available.", "Good news, {value} is free."),
    "taken": ("{value} isn't available, I'm sorry.", "I'm afraid {value} is taken."),
    "nothing_free": ("I'm sorry, nothing is free then.", "There's nothing open then, sorry."),
    "have": ("I have {options}.", "There's {options}."),
    "which": ("Which would suit you?", "Would one of those work?", "Which one would you like?"),
    "other_day": ("Would another day work?", "Shall we try another day?"),
    "cannot_do": ("That's not something I can do from here.", "I can't do that myself, I'm afraid."),
    "sorry_to_hear": ("I'm sorry about that.", "I understand, sorry for the trouble."),
    "ways": ("I can {tasks}.", "What I can do is {tasks}."),
}


@dataclass(frozen=True, slots=True)
class Voice:
    """Chooses wordings. turn: number of messages so far. heard: the last thing the caller heard (not said again)."""

    turn: int
    business: str
    heard: str = ""

    def say(self, key: str, **slots: str) -> str:
        """One wording of `key`, another one every turn, never one just heard."""
        return self.choose(PHRASES[key], slots=slots)

    def choose(self, wordings: tuple[str, ...], *, first: bool = False, slots: dict[str, str] | None = None) -> str:
        """A wording of `wordings`; `first` keeps their order (the best first) instead of turning with the turn."""
        start = 0 if first else self.turn
        ready = [
            wordings[(start + step) % len(wordings)].format_map({"business": self.business, **(slots or {})})
            if "{" in wordings[(start + step) % len(wordings)]
            else wordings[(start + step) % len(wordings)]
            for step in range(len(wordings))
        ]
        heard = f" {plain(self.heard)} "
        return next((text for text in ready if f" {plain(text)} " not in heard), ready[0])
