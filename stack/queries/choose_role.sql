-- Sets, for this session, which role make_role.sql makes: $1 its name, $2 its password.
select set_config('stockbook.role', $1, false), set_config('stockbook.password', $2, false)
