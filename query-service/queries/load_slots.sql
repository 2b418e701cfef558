-- The lane of every slot, in slot order; empty before the first migration.
select lane from slots order by slot
