"""Tables of written forms that are not said as they are spelled."""

from __future__ import annotations

from aivoice.speech.found import word_set

WEEKDAYS = {
    "mon": "Monday", "tue": "Tuesday", "tues": "Tuesday", "wed": "Wednesday", "weds": "Wednesday", "thu": "Thursday",
    "thur": "Thursday", "thurs": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}  # fmt: skip
MONTHS = {
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
    "aug": "August", "sep": "September", "sept": "September", "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
FULL_MONTHS = frozenset(name.lower() for name in MONTH_NAMES)
FULL_WEEKDAYS = word_set("monday tuesday wednesday thursday friday saturday sunday")

# Said so wherever they stand; the full stop belongs to them.
ABBREVIATIONS = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "jr": "Junior", "sr": "Senior", "vs": "versus",
    "etc": "et cetera", "approx": "approximately", "dept": "department", "appt": "appointment", "appts": "appointments",
    "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "ln": "Lane", "hwy": "Highway", "pkwy": "Parkway",
    "apt": "Apartment", "bldg": "Building", "tel": "telephone", "ext": "extension", "govt": "government",
    "w/": "with", "w/o": "without", "b/c": "because", "hrs": "hours", "mins": "minutes", "secs": "seconds",
    "llc": "L L C", "ltd": "limited", "inc": "incorporated", "rsvp": "R S V P", "est": "established",
    "pls": "please", "thx": "thanks", "tbd": "T B D", "aka": "A K A", "eta": "E T A", "min": "minimum",
    "max": "maximum", "cres": "Crescent", "ter": "Terrace", "e.g": "for example", "i.e": "that is",
    "a.k.a": "also known as", "ph.d": "P H D", "phd": "P H D", "bsc": "B S C",
    "msc": "M S C", "e-mail": "email", "e-mails": "emails", "p.s": "P S", "o'clock": "o'clock",
}  # fmt: skip
# These are words too: expanded only where the full stop is written or the case says so.
NEED_STOP = word_set("est inc min max ms ter ext")

UNITS = {
    "km": ("kilometer", "kilometers"), "m": ("meter", "meters"), "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"), "mi": ("mile", "miles"), "ft": ("foot", "feet"), "in": ("inch", "inches"),
    "yd": ("yard", "yards"), "kg": ("kilogram", "kilograms"), "g": ("gram", "grams"), "mg": ("milligram", "milligrams"),
    "lb": ("pound", "pounds"), "lbs": ("pound", "pounds"), "oz": ("ounce", "ounces"), "l": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"), "gal": ("gallon", "gallons"), "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"), "h": ("hour", "hours"), "min": ("minute", "minutes"), "mins": ("minute", "minutes"),
    "sec": ("second", "seconds"), "secs": ("second", "seconds"), "s": ("second", "seconds"), "ms": ("millisecond",
    "milliseconds"), "mph": ("mile per hour", "miles per hour"), "kmh": ("kilometer per hour", "kilometers per hour"),
    "km/h": ("kilometer per hour", "kilometers per hour"), "psi": ("pound per square inch", "pounds per square inch"),
    "gpm": ("gallon per minute", "gallons per minute"), "btu": ("B T U", "B T U's"), "kw": ("kilowatt", "kilowatts"),
    "kwh": ("kilowatt hour", "kilowatt hours"), "v": ("volt", "volts"), "w": ("watt", "watts"),
    "sqft": ("square foot", "square feet"), "°": ("degree", "degrees"), "°f": ("degree Fahrenheit",
    "degrees Fahrenheit"), "°c": ("degree Celsius", "degrees Celsius"), "hz": ("hertz", "hertz"),
    "khz": ("kilohertz", "kilohertz"), "gb": ("gigabyte", "gigabytes"), "mb": ("megabyte", "megabytes"),
    "k": ("thousand", "thousand"), "yr": ("year", "years"), "yrs": ("year", "years"), "wk": ("week", "weeks"),
    "wks": ("week", "weeks"), "mo": ("month", "months"), "mos": ("month", "months"), '"': ("inch", "inches"),
    "'": ("foot", "feet"), "pc": ("piece", "pieces"), "pcs": ("piece", "pieces"), "pt": ("point", "points"),
    "ct": ("count", "count"), "x": ("times", "times"),
}  # fmt: skip
# Behind a number and white space these may be words ("2 in the morning", "1 s"): only glued to it.
GLUED_ONLY = word_set("m in g l h s v w x k ' \" pt ct ms mo pc")

PER = {"hr": "hour", "h": "hour", "hour": "hour", "mo": "month", "month": "month", "yr": "year", "year": "year",
       "day": "day", "wk": "week", "week": "week", "visit": "visit", "ea": "each", "sqft": "square foot", "ft": "foot",
       "person": "person", "min": "minute", "night": "night", "unit": "unit"}  # fmt: skip

CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"), "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"), "¥": ("yen", "yen", "sen", "sen"),
    "₹": ("rupee", "rupees", "paisa", "paise"),
}  # fmt: skip
MAGNITUDES = word_set("hundred thousand million billion trillion")

STREET_AFTER = {"st": "Street", "dr": "Drive", "ct": "Court", "pl": "Place", "sq": "Square", "cir": "Circle",
                "ste": "Suite", "fl": "Floor"}  # fmt: skip
NAME_BEFORE = {"st": "Saint", "dr": "Doctor", "ste": "Suite", "ft": "Fort", "mt": "Mount"}
STREET_WORDS = word_set(
    "street st avenue ave road rd lane ln drive dr way place pl court ct boulevard blvd highway hwy terrace square "
    "parkway pkwy circle trail alley crescent close row quay wharf pike plaza"
)
COMPASS = {"n": "North", "s": "South", "e": "East", "w": "West", "ne": "Northeast", "nw": "Northwest",
           "se": "Southeast", "sw": "Southwest"}  # fmt: skip
STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho",
    "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi",
    "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey",
    "NM": "New Mexico", "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio",
    "OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina",
    "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "DC": "D C",
}  # fmt: skip

SYMBOLS = {
    "&": "and", "+": "plus", "=": "equals", "@": "at", "%": "percent", "#": "number", "°": "degrees", "£": "pounds",
    "€": "euros", "$": "dollars", "§": "section", "×": "times", "÷": "divided by", "±": "plus or minus", "<": "less "
    "than",
    ">": "more than", "≤": "at most", "≥": "at least", "≈": "about", "~": "about", "½": "one half", "¢": "cents",
}  # fmt: skip
FRACTIONS = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
    "1/8": "one eighth", "3/8": "three eighths", "5/8": "five eighths", "7/8": "seven eighths",
}  # fmt: skip

# Capital letters that are read as a word all the same.
ACRONYM_WORDS = word_set("nasa hvac asap pin zip covid lasik hipaa osha fema sim ram nato aids pets pap yelp zoom")
# Written large for emphasis, or ordinary short words: said as words.
SHOUTED = word_set(
    "a i am an and are as at be but by can day do for free get go had has he her him his how if in into is it its just "
    "let me my new no not now of off ok old on one only open or our out per please save see she so sorry stop than "
    "that "
    "the then there they this to too two up us very via was we what when who why will with yes you your all any call "
    "closed must never always best big may now here help hi hello sale half next last more most first"
)
SPELLED = word_set(
    "usa aaa ira ups irs atm aarp emt faq id er ada abc aol eu uk us un io ai ein ach apr ceo cfo cto iv oem ota uti "
    "ui "
    "ac dc ev rv suv tv hoa va gi ent obgyn ob"
)
"""Initialisms with vowels that would otherwise pass for words."""
EXTENSIONS = word_set("com org net info edu gov dev app shop store online care dental health biz mobi club house")
