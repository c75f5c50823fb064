-- The last fragment: what all fragments have made is kept as it is now, for code.sql to compare with.

INSERT INTO toms.installed_function SELECT f.function, f.digest FROM toms.function_digests() f;
