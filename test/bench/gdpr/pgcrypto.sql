-- The retrofit with the data encrypted by pgcrypto: AES under one key, without authentication.
\set ON_ERROR_STOP on
CREATE EXTENSION pgcrypto;
ALTER TABLE bench.record ALTER data TYPE bytea USING encrypt(convert_to(data, 'UTF8'), '0123456789abcdef', 'aes');
