-- Writes every changed page to the disk now.
checkpoint
