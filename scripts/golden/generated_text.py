"""Odd lines by pseudo-random numbers that TypeScript draws alike (src/random.ts): only scores and hashes need storing."""


def sfc32(seed):
    m = 0xFFFFFFFF
    state = [0x9E3779B9, 0x243F6A88, 0xB7E15162, (seed ^ 0xDEADBEEF) & m]

    def draw():
        a, b, c, d = state
        t = (a + b + d) & m
        state[3] = (d + 1) & m
        state[0] = b ^ (b >> 9)
        state[1] = (c + (c << 3)) & m
        state[2] = ((((c << 21) & m) | (c >> 11)) + t) & m
        return t
    for _ in range(15):
        draw()
    return draw


def below(n, draw):
    return (draw() * n) >> 32


ALPHABET = list('abEZ09.,-!?\'"()[]<>&/$%:;@#_~`^*+={}|\\') + [
    'the', "don't", "it's ", '1,000.5', 'U.S.', 'x-y', '3-4', '-', '<skipped>', '&quot;', '&amp;', '&lt;', '&gt;',
    '&amp;lt;', ' .', ' ,', ' ', ' ', ' ', ' ', ' ', ' ', '  ', '\t', '\u00a0', '\u3000', '\u2003', '\u2028', '\x1c', '\x85',
    '\ufeff', '\u200b', '中', '国', '我们', '说，', '的。', '！', '？', '：', '；', '（', '）', '，', '。', '、', '《', '》', '「', '」', '…', '—',
    '“', '”', '‘', '·', '龍', '㐀', '䶵', '龥', '龻', '龼', '豈', '\ufa6a', '\ufa70', '𠀀', '𠮷', '⿰', '㈠', '㎏', '〇', '々', 'か',
    'カ', 'ｶ', '한', '국', 'ａ', 'Ｂ', '１', '．', '\uff00', '\uffef', 'é', 'e\u0301', 'ß', 'İ', 'Σ', 'ΑΣ', 'ς', 'я', 'Ж', 'ü',
    '٣', '४', '²', '½', 'Ⅷ', '€', '£', '¥', '°', '©', '™', '→', '≤', '★', '☺', '✓', '😀', '👍🏽', '👨\u200d👩\u200d👧', '\u20ac', '\u0e01\u0e34',
    'नमस्ते', 'שלום', 'سلام', '\u2000', '\u2001', '\u2a6d', '\u2a6e',
]


def line(draw):
    return [ALPHABET[below(len(ALPHABET), draw)] for _ in range(below(25, draw))]


def perturb(pieces, draw):
    if below(8, draw) == 0:
        return line(draw)
    out = []
    for piece in pieces:
        kind = below(12, draw)
        if kind == 0:
            continue
        if kind == 1:
            out.append(ALPHABET[below(len(ALPHABET), draw)])
        else:
            out.append(piece)
        if kind == 2:
            out.append(ALPHABET[below(len(ALPHABET), draw)])
        if kind == 3 and len(out) > 1:
            out.insert(0, out.pop())
    return out
