-- What the pipeline needs beside a block's readings to rebuild the rules' memory, in the pipeline's own bytes.
ALTER TABLE reading_block ADD COLUMN replay BLOB;

-- Blocks up to this one are needed for no replay.
ALTER TABLE reading_state ADD COLUMN released_block INTEGER NOT NULL DEFAULT 0;
