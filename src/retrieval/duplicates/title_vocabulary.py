"""Words that tell variants apart, and words that tell nothing."""

COLOURS = frozenset(
    ["beige", "black", "blue", "bronze", "brown", "burgundy", "charcoal", "copper", "coral",
     "cream", "cyan", "gold", "green", "grey", "indigo", "ivory", "khaki", "lavender", "lilac",
     "magenta", "maroon", "mint", "navy", "olive", "orange", "peach", "pink", "purple", "red",
     "rust", "silver", "tan", "teal", "turquoise", "violet", "white", "yellow", "multicolour",
     "amber", "camel", "champagne", "fuchsia", "lime", "mauve", "mustard", "nude", "plum", "rose",
     "taupe", "wine",
     "amarilla", "amarillo", "azul", "blanca", "blanco", "gris", "morada", "morado", "naranja",
     "negra", "negro", "roja", "rojo", "rosa", "verde",
     "blau", "braun", "gelb", "grau", "grün", "lila", "rot", "schwarz", "weiss", "weiß",
     "blanc", "bleu", "jaune", "marron", "noir", "rouge", "vert",
     "bianco", "branco", "giallo", "nero", "preto", "rosso", "vermelho"]
)  # fmt: skip
SPELLINGS = {
    "gray": "grey", "golden": "gold", "aqua": "turquoise", "multicolor": "multicolour",
    "multicolored": "multicolour", "multicoloured": "multicolour",
}  # fmt: skip
SIZES = {
    "xxs": "xxs", "xs": "xs", "xl": "xl", "xxl": "2xl", "xxxl": "3xl", "2xl": "2xl", "3xl": "3xl",
    "4xl": "4xl", "5xl": "5xl", "small": "s", "medium": "m", "large": "l", "king": "king",
    "queen": "queen", "single": "single", "double": "double", "twin": "twin",
}  # fmt: skip
LINKING = frozenset(
    ["a", "an", "the", "of", "for", "with", "by", "to", "from", "and", "or", "at", "on", "is",
     "this", "your", "our", "it", "its", "und", "mit", "für", "der", "die", "das", "de", "la",
     "le", "el", "con", "para", "et", "y", "pour", "avec"]
)  # fmt: skip
FILLER = frozenset(
    ["new", "free", "shipping", "delivery", "fast", "express", "best", "better", "great",
     "price", "prices", "cheap", "cheapest", "deal", "deals", "offer", "offers", "sale", "hot",
     "top", "quality", "high", "genuine", "original", "authentic", "official", "latest",
     "trending", "buy", "online", "shop", "now", "today", "cash", "discount", "gift",
     "guarantee", "guaranteed", "warranty", "replacement", "only", "just", "really", "very",
     "good", "nice", "beautiful", "bestseller", "seller", "rated", "stock", "in", "ready",
     "ships", "ship", "item", "product", "brand", "branded", "neu", "gratis", "versand",
     "kostenlos", "oferta", "nuevo", "envio", "envío", "nouveau", "livraison", "gratuite"]
)  # fmt: skip
IDLE = FILLER | LINKING
TELLING = frozenset(
    ["set", "sets", "pack", "packs", "pair", "pairs", "combo", "couple", "bundle", "kit",
     "refill", "piece", "pieces", "left", "right", "men", "man", "women", "woman", "mens",
     "womens", "male", "female", "ladies", "gents", "kids", "kid", "boy", "boys", "girl",
     "girls", "unisex", "baby", "child", "adult", "junior", "senior", "plain", "printed",
     "matte", "glossy", "pro", "plus", "mini", "max", "lite", "ultra"]
)  # fmt: skip
APART = tuple(
    frozenset(pair.split())
    for pair in (
        "mens womens", "male female", "boys girls", "right light", "black slack", "inner outer",
        "matte mattel", "interior exterior", "internal external", "include exclude",
    )
)  # fmt: skip
