"""The words that `endpointing` knows: data, in alphabetical order within each set. English."""

from __future__ import annotations

from aivoice.core.text import NUMBER_WORDS

DANGLING = frozenset(
    {
        "a", "about", "after", "also", "am", "an", "and", "another", "any", "are", "as", "at", "be", "because", "been",
        "before", "being", "between", "but", "by", "can", "could", "did", "do", "doctor", "does", "dr", "during",
        "each", "er", "erm", "every", "for", "from", "going", "gonna", "had", "has", "have", "he", "her", "his", "hmm",
        "how", "how's", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "it's", "its", "just", "last",
        "let's", "like", "may", "maybe", "might", "mr", "mrs", "ms", "must", "my", "need", "next", "no-one", "not",
        "of", "on", "onto", "or", "our", "over", "per", "perhaps", "please-could", "pretty", "quite", "really", "shall",
        "she", "should", "so", "some", "street-number", "than", "that", "that's", "the", "their", "then", "there's",
        "these", "they", "this", "those", "till", "to", "try", "trying", "uh", "uhm", "um", "under", "until", "very",
        "via", "wanna", "want", "was", "we", "we'd", "we'll", "we've", "were", "what", "what's", "when", "where",
        "where's", "which", "while", "who", "who's", "whose", "why", "will", "with", "without", "would", "you'd",
        "your",
    }
)  # fmt: skip
"""Words after which English wants another: articles, prepositions, conjunctions, auxiliaries, hesitations."""
SOFT_ENDINGS = frozenset(
    {
        "about", "any", "are", "can", "do", "have", "how", "i", "in", "is", "just", "last", "like", "next", "not", "on",
        "one", "over", "some", "that", "these", "this", "those", "to", "what", "where", "why", "will",
    }
)  # fmt: skip
"""Of those, the ones that end a sentence often enough to be believed when the recogniser marks its end."""
QUESTION_STARTS = frozenset(
    {
        "are", "can", "could", "did", "do", "does", "has", "have", "how", "is", "may", "should", "was", "were", "what",
        "when", "where", "which", "who", "whose", "why", "will", "would",
    }
)  # fmt: skip
"""First words of questions."""
CLOSERS = frozenset(
    {
        "absolutely", "bye", "cheers", "correct", "definitely", "exactly", "goodbye", "great", "nah", "no", "nope",
        "ok", "okay", "perfect", "please", "right", "sure", "thank", "thanks", "yeah", "yep", "yes", "yup",
    }
)  # fmt: skip
"""Words that close a short turn."""
CLOSING_PHRASES = (
    "go ahead", "good bye", "have a good day", "never mind", "no thank you", "no thanks", "nothing else",
    "of course", "sounds good", "thank you", "thank you very much", "thanks a lot", "that is all", "that works",
    "that would be great", "that's all", "that's correct", "that's fine", "that's it", "that's right", "yes please",
)  # fmt: skip
"""Ends of turns that leave nothing open."""
WHOLE_ENDINGS = (
    "as soon as you can", "i think so", "if it's possible", "if possible", "if that's possible", "if you can",
    "if you could", "is that all", "is that it", "no i'm not", "when you can", "where are you", "who are you",
    "who is this", "yes i am", "yes i can", "yes i do", "yes i have", "yes i would", "yes it is", "yes they are",
    "yes we are", "yes we do",
)  # fmt: skip
"""Ends that nothing has to follow, although their last word often wants more."""
GREETINGS = (
    "good afternoon", "good day", "good evening", "good morning", "hello", "hello again", "hello there", "hey",
    "hey there", "hi", "hi again", "hi there", "oh hello", "oh hi", "yeah hi", "yes hello", "yes hi",
)  # fmt: skip
"""What callers begin with: alone it is a breath before the request; before a request it changes nothing."""
BEGINNINGS = frozenset(
    {
        "are there", "can i", "can you", "can you tell me", "could i", "could you", "could you tell me", "do you",
        "do you have", "do you know", "how about", "i am calling", "i guess", "i have", "i need", "i think", "i want",
        "i was wondering", "i was wondering if you could", "i would like", "i would prefer", "i'd like", "i'd prefer",
        "i'm calling", "is it possible", "is there", "my name", "please tell me", "tell me", "the reason", "the thing",
        "we have", "what about", "would you", "you know",
    }
)  # fmt: skip
"""Whole texts that are the beginning of a request, however finished their last word sounds."""
CLAUSE_STARTS = frozenset(
    {
        "because", "he", "i", "i'd", "i'll", "i'm", "i've", "if", "it", "it's", "my", "our", "she", "so", "that",
        "there", "there's", "they", "this", "we", "we're", "we've", "well", "when", "you",
    }
)  # fmt: skip
"""First words of a clause, which may go on where a bare answer would not."""
OPEN_QUESTIONS = (
    "anything else", "can i do for you", "can i help", "can i help you", "i help you today", "may i help you",
)  # fmt: skip
"""Ends of agent questions to which anything may be the answer."""
SPELL_MARKERS = frozenset(
    {
        "at", "dash", "dot", "double", "hyphen", "plus", "triple", "underscore",
    }
)  # fmt: skip
"""Words between the pieces of something spelled."""
GIVING = frozenset(
    {
        "address", "card", "code", "e-mail", "email", "mail", "number", "postcode", "reach", "zip",
    }
)  # fmt: skip
"""A caller who says one of these and then digits or letters is giving something piece by piece."""
EMAIL_ENDINGS = frozenset(
    {
        "biz", "co", "com", "de", "edu", "gov", "info", "io", "net", "org", "uk", "us",
    }
)  # fmt: skip
"""Last labels of e-mail addresses."""
LETTER_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz")
"""Single letters."""
DIGIT_WORDS = frozenset(NUMBER_WORDS) | {"double", "hundred", "triple"}
"""Words that stand for digits."""
