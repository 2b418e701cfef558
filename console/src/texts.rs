//! All words of the pages, each in every language.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;

/// Declares the words in English and Korean.
macro_rules! texts {
    ($($name:ident: $english:literal, $korean:literal;)+) => {
        /// The words of one language.
        #[derive(Debug)]
        pub(crate) struct Texts {
            $(pub(crate) $name: &'static str,)+
        }

        pub(crate) static EN: Texts = Texts { $($name: $english,)+ };
        static KO: Texts = Texts { $($name: $korean,)+ };
    };
}

texts! {
    // Around every page.
    language: "en", "ko";
    skip: "Skip to the content", "본문으로 건너뛰기";
    navigation: "Main", "주 메뉴";
    find: "Find", "찾기";
    find_label: "Find an item, order, reservation, transfer, owner, actor or event",
        "품목, 주문, 예약, 이동, 소유자, 행위자, 이벤트 찾기";
    find_hint: "sku, owner, id … ( / )", "SKU, 소유자, ID … ( / )";
    footer: "Stockbook console", "Stockbook 콘솔";
    times_in: "Times in", "시간대:";
    live_on: "Live", "실시간";
    live_off: "Not live: load the page again", "실시간 아님: 페이지를 다시 여세요";
    overview: "Overview", "개요";
    items: "Items", "품목";
    waitlist: "Waitlist", "대기 목록";
    transfers: "Transfers", "이동";
    orders: "Orders", "주문";
    alerts: "Alerts", "알림";
    pipeline: "Pipeline", "파이프라인";
    problems: "Problems", "문제";
    pages: "Pages of the list", "목록의 페이지";
    first_page: "First page", "첫 페이지";
    next_page: "Next page", "다음 페이지";
    filter: "Show", "보기";
    no_filter: "Show all", "모두 보기";

    // Sign-in.
    sign_in: "Sign in", "로그인";
    sign_out: "Sign out", "로그아웃";
    signed_in_as: "Signed in:", "로그인:";
    api_key: "API key", "API 키";
    sign_in_at_issuer: "Sign in with your organisation's account", "조직 계정으로 로그인";
    or_with_key: "Or with an API key", "또는 API 키로 로그인";
    sign_in_about: "The console asks the services with what you sign in with, and may do nothing else. Your sign-in ends when you sign out, close the browser or have been here for long.",
        "콘솔은 로그인한 자격으로만 서비스에 요청하며, 그 밖의 권한은 없습니다. 로그아웃하거나 브라우저를 닫거나 오래 머무르면 로그인이 끝납니다.";
    session_over: "Your sign-in has ended, or what you signed in with is no longer valid. Sign in to go on.",
        "로그인이 끝났거나 로그인에 쓴 자격이 더는 유효하지 않습니다. 계속하려면 다시 로그인하세요.";
    no_such_key: "The services do not know this key: it is mistyped, revoked or expired.",
        "서비스가 이 키를 모릅니다. 잘못 입력했거나, 폐기되었거나, 만료되었습니다.";
    sign_in_foreign: "This sign-in was not begun on this page, or too long ago. Begin again here.",
        "이 로그인은 이 페이지에서 시작되지 않았거나 너무 오래되었습니다. 여기서 다시 시작하세요.";
    issuer_unusable: "The issuer does not answer as it should. Try again in a moment; the console's log says what is wrong.",
        "인증 기관이 제대로 응답하지 않습니다. 잠시 뒤 다시 시도하세요. 원인은 콘솔의 로그에 있습니다.";
    issuer_refused: "The issuer did not sign you in:", "인증 기관이 로그인을 거절했습니다:";
    token_not_accepted: "The issuer signed you in, but the services do not accept its token. Tell an operator; the console's log says what to compare.",
        "인증 기관에서는 로그인되었지만 서비스가 그 토큰을 받아들이지 않습니다. 운영자에게 알리세요. 무엇을 비교할지는 콘솔의 로그에 있습니다.";
    not_signed_in: "You are not signed in", "로그인하지 않았습니다";
    not_signed_in_detail: "Nothing was done. Sign in, and do it again.", "아무것도 하지 않았습니다. 로그인한 뒤 다시 하세요.";
    open_services: "The services have no sign-in", "서비스에 로그인이 없습니다";
    open_services_detail: "The console asks visitors to sign in, but the services behind it let everybody do everything, so they cannot say who you are. Start them with AUTH=on, or the console with AUTH=off.",
        "콘솔은 방문자에게 로그인을 요구하지만, 뒤의 서비스는 누구에게나 모든 일을 허용하므로 누구인지 말할 수 없습니다. 서비스를 AUTH=on으로 시작하거나 콘솔을 AUTH=off로 시작하세요.";
    forbidden: "You may not do this", "권한이 없습니다";

    // Failures.
    nothing_here: "There is nothing here", "여기에는 아무것도 없습니다";
    nothing_here_detail: "The address leads nowhere, or to something that does not exist.", "없는 주소이거나, 없는 것을 가리킵니다.";
    foreign_form: "The form comes from elsewhere", "다른 곳에서 온 양식입니다";
    foreign_form_detail: "The console takes forms only from its own pages. Open the page here and send it again.",
        "콘솔은 자기 페이지의 양식만 받습니다. 여기서 페이지를 열고 다시 보내세요.";
    unreadable: "An answer cannot be read", "응답을 읽을 수 없습니다";
    down: "A service does not answer", "서비스가 응답하지 않습니다";
    busy: "The console is busy", "콘솔이 바쁩니다";
    busy_detail: "Too many pages are in progress.", "처리 중인 페이지가 너무 많습니다.";
    try_again: "Load the page again in a moment.", "잠시 뒤 페이지를 다시 여세요.";
    to_overview: "To the overview", "개요로";

    // Figures.
    on_hand: "On hand", "현재고";
    reserved: "Reserved", "예약";
    allocated: "Allocated", "할당";
    available: "Available", "가용";
    incoming: "Incoming", "입고 예정";
    waiting: "Waiting", "대기";
    changed: "Changed", "변경 시각";

    // Items.
    item: "Item", "품목";
    location: "Location", "로케이션";
    sku_begins: "SKU begins with", "SKU 시작 문자";
    everywhere: "Everywhere", "모든 곳";
    show: "Which", "대상";
    all_stock: "All", "전체";
    sold_out: "Sold out", "품절";
    low: "Low", "부족";
    available_below: "Available below", "가용 수량 미만";
    no_items: "No item fits.", "맞는 품목이 없습니다.";
    retired: "retired", "판매 종료";
    item_stream: "Its registration", "품목 등록 내역";
    prove: "Prove the figures", "수치 증명";
    unit: "Counted in", "단위";
    decimals: "decimal places:", "소수 자릿수:";
    reorder_point: "Reorder point", "재주문점";
    stock_now: "Stock now", "지금의 재고";
    figures_wait: "is stopped at event", "레인이 다음 이벤트에서 멈춤:";
    figures_stale: "Changes of this item from then on are recorded, but not shown here yet.",
        "그 뒤 이 품목의 변화는 기록되었지만 아직 여기에 보이지 않습니다.";
    claims: "Who has a claim", "누가 쓰기로 했나";
    promised: "Held, promised, on the way", "보류, 약속, 운송 중";
    who: "For", "대상";
    kind: "Kind", "종류";
    quantity: "Quantity", "수량";
    until: "Until", "기한";
    queue: "Queue", "대기열";
    owner: "Owner", "소유자";
    place: "Place", "순번";

    // Time travel.
    time_travel: "At any moment", "원하는 시점";
    slider: "Step through the events", "이벤트를 따라 이동";
    at_label: "Moment (UTC) or position", "시각(UTC) 또는 위치";
    go: "Go there", "이동";
    earlier: "← Event before", "← 이전 이벤트";
    later: "Event after →", "다음 이벤트 →";
    back_to_now: "Back to now", "지금으로";
    chart_label: "Units on hand and available after each event; the table of movements has the numbers",
        "각 이벤트 뒤의 현재고와 가용 수량. 숫자는 변동 표에 있습니다";
    this_moment: "This moment", "이 시점";
    window: "Events shown:", "표시한 이벤트:";
    as_it_was: "As it was known then:", "그때 알던 수치:";
    position: "position", "위치";
    not_yet_known: "The item was not known then.", "그때는 이 품목이 없었습니다.";
    on_hand_since: "On hand since then", "그 뒤 현재고 변화";
    available_since: "Available since then", "그 뒤 가용 변화";
    known_today: "As it was, by all that is known today:", "오늘 아는 것으로 본 그때의 수치:";
    known_today_why: "Something was recorded later than it happened, so this is not what was known then.",
        "나중에 기록된 일이 있어, 그때 알던 수치와 다릅니다.";
    known_later: "All of it was recorded later: nothing was known of the item then.",
        "모두 나중에 기록되었고, 그때는 이 품목을 알지 못했습니다.";
    why: "Why it is different now", "지금과 다른 까닭";
    nothing_between: "Nothing happened to the item since then.", "그 뒤로 이 품목에 아무 일도 없었습니다.";
    more_between: "There are more events; the list of movements has all of them.", "이벤트가 더 있습니다. 변동 목록에 모두 있습니다.";
    not_a_moment: "Write a moment such as 2026-11-30 08:15, or a position such as 3:1042.",
        "2026-11-30 08:15 같은 시각이나 3:1042 같은 위치를 쓰세요.";

    // Flow.
    flow: "Flow by day", "일별 흐름";
    flow_about: "What came in and went out, on the days (UTC) on which it happened. Days without a change are left out.",
        "들어오고 나간 수량을 일어난 날짜(UTC)별로 보입니다. 변화가 없는 날은 뺐습니다.";
    first_day: "First day", "첫날";
    day_after: "Day after the last", "마지막 날의 다음 날";
    day: "Day", "날짜";
    opening: "Before the first day", "첫날 이전";
    closing: "On hand at the end", "기말 현재고";
    issued: "Issued", "출고";
    adjusted: "Adjusted", "조정";
    transferred: "Transferred", "이동";

    // Movements and events.
    movements: "Movements", "변동";
    movements_until: "Movements up to this moment", "이 시점까지의 변동";
    all_movements: "All movements", "모든 변동";
    undo_these: "Reverse these movements …", "이 변동 되돌리기 …";
    reverses: "Reverses event", "되돌린 이벤트";
    no_movements: "Nothing happened that fits.", "맞는 변동이 없습니다.";
    no_movements_yet: "Nothing happened yet.", "아직 아무 일도 없었습니다.";
    event: "Event", "이벤트";
    event_type: "Event", "이벤트";
    changed_what: "Change", "변화";
    on_hand_after: "On hand after", "이후 현재고";
    available_after: "Available after", "이후 가용";
    because: "Because of", "까닭";
    by: "by", "행위자:";
    same_command: "same command", "같은 명령";
    reason: "Reason", "사유";
    recorded: "Recorded", "기록 시각";
    happened: "Happened", "발생 시각";
    stream: "Stream", "스트림";
    version: "Version", "버전";
    versions: "Versions", "버전";
    of: "of", "/";
    to_thing: "Where it stands now", "지금의 상태";
    first_version: "First", "처음";
    last_version: "Last", "마지막";
    event_id: "Event id", "이벤트 ID";
    actor: "Actor", "행위자";
    correlation: "Correlation", "상관 ID";
    caused_by: "Caused by", "원인";
    form: "Form", "형식";
    chain: "Chain", "체인";
    chain_before: "Chain of the event before it in the lane", "레인에서 바로 앞 이벤트의 체인";
    data: "Data", "데이터";
    state: "State", "상태";
    state_after: "State before and after", "전후 상태";
    state_unreadable: "This version of the service cannot read an event of this stream, so it knows no state of it. The event is shown as it was recorded.",
        "이 버전의 서비스는 이 스트림의 이벤트를 읽을 수 없어 상태를 모릅니다. 이벤트는 기록된 그대로 보여 줍니다.";
    member: "Member", "항목";
    before: "Before", "이전";
    after: "After", "이후";
    since: "Since", "부터";

    // What waits, travels and happens.
    waitlist_about: "Who waits for stock, in the order in which they will be served.", "재고를 기다리는 사람을 받게 될 순서로 보입니다.";
    nobody_waits: "Nobody waits.", "기다리는 사람이 없습니다.";
    priority: "Priority", "우선순위";
    status: "Status", "상태";
    all: "All", "전체";
    from: "From", "출발";
    to: "To", "도착";
    line: "Line", "줄";
    lines: "Lines", "줄";
    overdue: "Overdue", "지연";
    only_overdue: "Only overdue", "지연만";
    transfer: "Transfer", "이동";
    no_transfers: "No transfer fits.", "맞는 이동이 없습니다.";
    expected: "Expected", "예정";
    sent: "Sent", "보냄";
    received: "Received", "받음";
    lost: "Lost", "분실";
    returned: "Returned", "반환";
    released: "Released", "해제";
    fulfilled: "Fulfilled", "이행";
    order: "Order", "주문";
    no_orders: "No order fits.", "맞는 주문이 없습니다.";
    steps: "Steps", "단계";
    for_owner: "for", "· 소유자";
    deadline: "Deadline", "마감";
    requested: "Requested", "요청";
    asked_for: "asked for", "요청";
    were_available: "available", "가용";
    got: "Held or promised", "보류 또는 약속";
    reference: "Reference", "참조";
    its_events: "All its events", "모든 이벤트";
    its_reservation: "Its reservation", "이 주문의 예약";
    reservation: "Reservation", "예약";
    reservations: "Reservations", "예약";
    no_reservations: "No reservation fits.", "맞는 예약이 없습니다.";
    held_until: "Held until", "보류 기한";
    waits_until: "Waits until", "대기 기한";
    alerts_about: "Items of which there is no more than their reorder point.", "재주문점 이하로 남은 품목입니다.";
    no_alerts: "No alert fits.", "맞는 알림이 없습니다.";

    // The pipeline.
    pipeline_about: "The way of events from the log to the views", "이벤트가 로그에서 뷰까지 가는 길";
    log: "Log", "로그";
    view: "View", "뷰";
    relay: "Relay to Kafka", "Kafka 릴레이";
    published: "On Kafka", "Kafka에 있음";
    nobody_relays: "lanes that nobody publishes", "아무도 발행하지 않는 레인";
    publishes: "Published by", "발행자";
    answers: "answers", "응답함";
    does_not_answer: "does not answer", "응답하지 않음";
    up_to_date: "Up to date", "최신";
    unknown: "Unknown", "알 수 없음";
    last_at: "last", "마지막";
    lane: "Lane", "레인";
    lanes: "Lanes", "레인";
    head: "Head", "끝 위치";
    last_event: "Last event", "마지막 이벤트";
    stopped: "stopped", "멈춤";
    events: "Events", "이벤트";

    // Forms.
    record: "Record", "기록";
    commands: "What to record", "무엇을 기록할까요";
    receive: "Receive", "입고";
    issue: "Issue", "출고";
    move_units: "Move", "이동";
    count: "Count", "실사";
    register_item: "Register or change an item", "품목 등록 또는 변경";
    register_location: "Register or change a location", "로케이션 등록 또는 변경";
    counted: "Counted", "센 수량";
    expected_quantity: "Expected, if known", "예상 수량(알면)";
    reason_code: "Reason to record (a code such as damaged)", "사유(damaged 같은 코드)";
    note: "Note", "메모";
    happened_at: "When it happened, in UTC; now if empty", "발생 시각(UTC), 비우면 지금";
    name: "Name", "이름";
    code: "Code", "코드";
    optional: "(optional)", "(선택)";
    choose: "Choose", "선택";
    nothing_recorded: "Nothing was recorded.", "아무것도 기록하지 않았습니다.";
    only_available: "available there:", "그곳의 가용 수량:";
    there_are: "there are", "있는 수량:";
    recorded_now: "Recorded at position", "기록한 위치";

    // Operations.
    operations: "Operations", "운영";
    reverse_title: "Reverse what was recorded in a time", "어느 시간에 기록된 것을 되돌리기";
    reverse_about: "Receipts, issues, moves, adjustments and counts that were recorded in a time are undone by their exact opposites, such as those of a wrong import. Nothing is deleted: the opposites are new events. The next page shows what would happen; nothing is recorded before you say so there.",
        "잘못된 가져오기처럼 어느 시간에 기록된 입고, 출고, 이동, 조정, 실사를 정확히 반대로 되돌립니다. 아무것도 지우지 않으며, 반대 기록은 새 이벤트입니다. 다음 페이지에서 일어날 일을 보여 주고, 거기서 확인하기 전에는 아무것도 기록하지 않습니다.";
    recorded_from: "Recorded from (UTC)", "기록 시작(UTC)";
    recorded_to: "until before (UTC)", "기록 끝, 미포함(UTC)";
    show_what: "Show what would happen", "일어날 일 보기";
    would_happen: "What would happen", "일어날 일";
    commands_reversed: "Commands reversed", "되돌린 명령";
    commands_refused: "Commands refused", "거절된 명령";
    would_reverse: "Commands that would be reversed", "되돌려질 명령";
    would_refuse: "Commands that would be refused", "거절될 명령";
    everybodys: "Nobody is named as the actor, so this undoes what everybody recorded in that time.",
        "행위자를 정하지 않아, 그 시간에 모두가 기록한 것을 되돌립니다.";
    events_in_window: "Events in that time", "그 시간의 이벤트";
    each_stock: "Each stock before and after", "재고별 전후";
    available_now: "Available now", "지금 가용";
    available_then: "Available afterwards", "이후 가용";
    these_events: "The events that would be reversed", "되돌려질 이벤트";
    newest_of: "The newest of", "최근 항목만 표시, 전체:";
    reversed_so_far: "What was reversed so far", "지금까지 되돌린 것";
    on_hand_now: "On hand now", "지금 현재고";
    on_hand_then: "On hand afterwards", "이후 현재고";
    nothing_to_reverse: "There is nothing to reverse in this time:", "이 시간에는 되돌릴 것이 없습니다:";
    preview_cut: "There are more events than this list adds up. The numbers above are complete.",
        "이 목록이 더한 것보다 이벤트가 많습니다. 위의 숫자는 빠짐없습니다.";
    would_be_refused: "What would be refused", "거절될 것";
    were_refused: "What was refused", "거절된 것";
    reverse_now: "Reverse it now", "지금 되돌리기";
    leave_it: "Leave it", "그만두기";
    reversal: "Reversal", "되돌리기";
    refreshes: "This page loads itself again until it is done.", "끝날 때까지 이 페이지가 스스로 다시 열립니다.";

    skip_title: "Skip an event", "이벤트 건너뛰기";
    skip_goes_on: "its stopped lane goes on without event", "멈춘 레인이 다음 이벤트를 빼고 계속합니다:";
    skip_about: "The view misses that event from then on; the log keeps it, and the skip stays on record.",
        "그 뒤로 뷰에는 그 이벤트가 없습니다. 로그는 그대로이고, 건너뛴 일도 기록에 남습니다.";
    would_miss: "What the view would miss", "뷰에서 빠질 내용";
    skip_reason: "Why it may be skipped", "건너뛰어도 되는 까닭";
    skip_now: "Skip it now", "지금 건너뛰기";
    skip_this: "Skip this event", "이 이벤트 건너뛰기";
    rebuild_title: "Rebuild a view", "뷰 다시 만들기";
    rebuild_about: "A new version is filled from the log next to the old one, which answers meanwhile. The pipeline page shows how far it is.",
        "로그에서 새 버전을 채우는 동안 옛 버전이 응답합니다. 어디까지 왔는지는 파이프라인 페이지에 있습니다.";
    rebuild_step: "What to do", "할 일";
    rebuild_swap: "Fill a new version, then let it answer", "새 버전을 채운 뒤 응답하게 하기";
    rebuild_compare: "Fill a new version and compare it with the old one", "새 버전을 채워 옛 버전과 비교하기";
    rebuild_back: "Let the version before answer again", "앞 버전이 다시 응답하게 하기";
    rebuild_drop: "Remove the version that does not answer", "응답하지 않는 버전 지우기";
    rebuild_now: "Do it now", "지금 하기";
    views: "Views", "뷰";

    // Problems.
    stopped_title: "Stopped lanes", "멈춘 레인";
    no_stopped: "No lane is stopped.", "멈춘 레인이 없습니다.";
    waits_at: "waits at event", "기다리는 이벤트:";
    relay_advice: "The relay tries again by itself twice a minute.", "릴레이는 1분에 두 번 스스로 다시 시도합니다.";
    stopped_advice: "Nothing is lost: the log has this event and all that follow. If it was written by a newer version of Stockbook, start that version, and the lane goes on by itself. Else skip the event in each view: its figures are then without it, and this page says so.",
        "잃은 것은 없습니다. 로그에 이 이벤트와 뒤의 모든 이벤트가 있습니다. 더 새로운 Stockbook이 쓴 이벤트라면 그 버전을 시작하세요. 레인이 스스로 계속합니다. 아니면 뷰마다 이벤트를 건너뛰세요. 그러면 수치에서 그 이벤트가 빠지고, 이 페이지에 그렇게 나옵니다.";
    since_when: "since", "시작:";
    stuck_orders: "Orders that need an operator", "운영자가 필요한 주문";
    proof_title: "Are the figures what the log comes to?", "수치가 로그와 같은가";
    proof_about: "The events of an item are read from the log and folded again; every figure is compared.",
        "품목의 이벤트를 로그에서 읽어 다시 접고, 모든 수치를 비교합니다.";
    prove_all: "Prove all items (reads the whole log)", "모든 품목 증명(로그 전체를 읽음)";
    proof_good: "Everything is as the log says:", "모두 로그와 같습니다:";
    proof_so_far: "As far as the views have come, everything is as the log says. What waits at the stopped lanes above is not compared. Checked:",
        "뷰가 반영한 데까지는 모두 로그와 같습니다. 위의 멈춘 레인에서 기다리는 것은 비교하지 않았습니다. 확인한 수:";
    proof_bad: "The figures differ from the log.", "수치가 로그와 다릅니다.";
    first_difference: "The first difference", "첫 차이";
    by_the_log: "By the log", "로그의 값";
    by_the_view: "By the view", "뷰의 값";
    skipped: "Skipped events", "건너뛴 이벤트";
    proof_position: "As of", "위치:";

    // Finding.
    found_nothing: "Nothing is called so. This search knows skus, events, positions, streams, correlations, owners, actors, and ids of orders, reservations, transfers and reversals.",
        "그런 이름은 없습니다. 이 검색은 SKU, 이벤트, 위치, 스트림, 상관 ID, 소유자, 행위자, 그리고 주문·예약·이동·되돌리기의 ID를 찾습니다.";
    orders_of_owner: "Orders of this owner", "이 소유자의 주문";
    reservations_of_owner: "Reservations of this owner", "이 소유자의 예약";
    movements_of_actor: "Movements by this actor", "이 행위자의 변동";
    of_correlation: "What this correlation did", "이 상관 ID가 한 일";
    items_beginning: "Items that begin so", "이렇게 시작하는 품목";

    // Overview.
    stopped_lane: "stopped lane", "멈춘 레인";
    stopped_lanes: "stopped lanes", "멈춘 레인";
    events_behind: "events behind, at most", "뒤처진 이벤트(최대)";
    checked: "events checked", "검사한 이벤트";
    units_on_hand: "units on hand", "현재고 합계";
    units_available: "units available", "가용 합계";
    stocks_sold_out: "stocks sold out", "품절 재고";
    stocks_low: "stocks low", "부족 재고";
    lines_waiting: "lines waiting", "대기 줄";
    in_transit: "transfers on their way", "운송 중인 이동";
    overdue_transfers: "of them overdue", "그중 지연";
    events_a_second: "events a second", "초당 이벤트";
    differences: "differences found between figures and log", "수치와 로그의 차이";
    events_recorded: "events recorded", "기록된 이벤트";
    latest: "What happened last", "최근에 일어난 일";
    all_alerts: "All alerts", "모든 알림";
    raised: "low", "부족";
    cleared: "no longer low", "회복";
}

impl Texts {
    /// The words of the first language that a browser asks for and the console has, else English.
    pub(crate) fn wanted(headers: &HeaderMap) -> &'static Self {
        let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let wanted = accept_language::parse(wanted.unwrap_or_default());
        let known = wanted.iter().find_map(|tag| match tag.split('-').next() {
            Some("en") => Some(&EN),
            Some("ko") => Some(&KO),
            _ => None,
        });
        known.unwrap_or(&EN)
    }

    /// The noun after a number of stopped lanes.
    pub(crate) fn stopped(&self, lanes: usize) -> &'static str {
        if lanes == 1 { self.stopped_lane } else { self.stopped_lanes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_the_first_language_that_there_is() {
        let language = |wanted: &'static str| {
            let headers = HeaderMap::from_iter([(ACCEPT_LANGUAGE, wanted.parse().unwrap())]);
            Texts::wanted(&headers).language
        };
        assert_eq!(Texts::wanted(&HeaderMap::new()).language, "en");
        for (wanted, language_of_page) in [
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
            ("ko-KR", "ko"),
            ("de-DE,de;q=0.9,ko;q=0.5,en;q=0.7", "en"),
            ("fr", "en"),
            ("*", "en"),
        ] {
            assert_eq!(language(wanted), language_of_page, "{wanted}");
        }
    }
}
