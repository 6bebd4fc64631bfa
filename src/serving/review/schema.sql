-- The review store's tables, format 1: statements end in a semicolon and a line end.
CREATE TABLE items (
    item_id INTEGER PRIMARY KEY AUTOINCREMENT,
    content TEXT NOT NULL UNIQUE,
    listing_id TEXT NOT NULL,
    title TEXT,
    description TEXT,
    brand TEXT,
    category TEXT,
    photo TEXT,
    photo_file TEXT,
    n_bytes INTEGER NOT NULL,
    verdict TEXT NOT NULL,
    unsure REAL NOT NULL,
    vector BLOB,
    added_at TEXT NOT NULL
);
CREATE TABLE answers (
    answer_id INTEGER PRIMARY KEY AUTOINCREMENT,
    item_id INTEGER NOT NULL REFERENCES items,
    kind TEXT NOT NULL,
    category TEXT,
    who TEXT NOT NULL,
    at TEXT NOT NULL,
    verdict TEXT NOT NULL
);
CREATE TABLE withdrawals (
    answer_id INTEGER PRIMARY KEY REFERENCES answers,
    at TEXT NOT NULL
);
CREATE INDEX answers_of_items ON answers (item_id);
CREATE VIEW standing AS
    SELECT * FROM answers WHERE answer_id NOT IN (SELECT answer_id FROM withdrawals);
CREATE VIEW final AS
    SELECT * FROM standing WHERE answer_id IN
        (SELECT MAX(answer_id) FROM standing WHERE kind != 'skip' GROUP BY item_id);
CREATE VIEW pending AS
    SELECT items.*,
        (SELECT MAX(answer_id) FROM standing WHERE item_id = items.item_id) AS skipped
    FROM items WHERE item_id NOT IN (SELECT item_id FROM standing WHERE kind != 'skip');
