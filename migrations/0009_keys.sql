-- Secrets of our own making, the same for every replica: what the links of e-mails are signed with.
CREATE TABLE keys (
    name TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL                 -- hexadecimal
);
