-- One donation as it is written without group commit: row by row, in two transactions.
-- The ids come back with the rows (RETURNING), so that making them costs no round trip. A colon
-- before a letter would be a variable to pgbench, also between quotes.
\set number random(1, 4611686018427387903)
\set charity_id random(:charity_first, :charity_last)
\set amount_minor random(100, 199900)
BEGIN;
INSERT INTO idempotency_record (donation_id, donor_id, fingerprint, request_id, created_at)
VALUES (uuidv7(), gen_random_uuid(), sha256(int8send(:number)), uuidv7(), now())
ON CONFLICT DO NOTHING
RETURNING donation_id, donor_id \gset
INSERT INTO donor (donor_id, email_normalised, email, first_name, last_name, locale, created_at)
VALUES (:donor_id, :number::text || '@example.com', :number::text || '@example.com', 'Ann', 'Larsson', 'en',
        now())
ON CONFLICT DO NOTHING;
INSERT INTO donation (donation_id, donor_id, charity_id, amount_minor, currency, first_name,
                      last_name, email, locale, created_at)
VALUES (:donation_id, :donor_id, :charity_id, :amount_minor, 'USD', 'Ann', 'Larsson',
        :number::text || '@example.com', 'en', now());
INSERT INTO payment_attempt (attempt_id, donor_id, payable_id, number, gateway, state,
                             amount_minor, currency, lease_owner, dispatched_at, next_check_at)
VALUES (uuidv7(), :donor_id, :donation_id, 1, 'sandbox', 'DISPATCHED', :amount_minor, 'USD',
        '0193a5b0-0000-7000-8000-000000000001', now(), now() + interval '70 seconds')
RETURNING attempt_id \gset
COMMIT;
-- Here the gateway would be called.
BEGIN;
UPDATE payment_attempt
SET state = 'SUBMITTED', version = version + 1, gateway_transaction_id = 'sb' || :number::text,
    observed_at = now(), next_check_at = NULL
WHERE attempt_id = :attempt_id AND donor_id = :donor_id AND version = 1 AND lease_epoch = 1;
INSERT INTO gateway_operation (operation_id, donor_id, attempt_id, kind, request_key, outcome,
                               gateway_transaction_id, gateway_code, started_at, finished_at)
VALUES (uuidv7(), :donor_id, :attempt_id, 'sale', :attempt_id::text || ':' || 'sale', 'SUBMITTED',
        'sb' || :number::text, '1000', now(), now());
INSERT INTO ledger_entry (transfer_id, leg, donor_id, account, amount_minor, currency, source_kind,
                          source_id, posted_at)
VALUES (:attempt_id, 1, :donor_id, 'gateway_receivable:' || 'sandbox', :amount_minor, 'USD', 'capture',
        :attempt_id, now()),
       (:attempt_id, 2, :donor_id, 'charity_income:' || :charity_id::text, -(:amount_minor)::bigint,
        'USD', 'capture', :attempt_id, now());
INSERT INTO event (event_id, donor_id, donation_id, kind, payload, occurred_at)
VALUES (uuidv7(), :donor_id, :donation_id, 'donation.paid',
        ('{"attempt_id":"' || :attempt_id::text || '","state":"SUBMITTED","charity_id":' || :charity_id::text
         || ',"amount_minor":' || :amount_minor::text || ',"currency":"USD","gateway":"sandbox",'
         || '"transaction_id":"sb' || :number::text || '"}')::jsonb,
        now());
UPDATE idempotency_record
SET response_status = 201,
    response_body = convert_to(
        '{"donation_id":"' || :donation_id::text || '","status":"success","transaction_id":"sb' || :number::text
        || '","donation_timestamp":"2026-11-22T10:00:00.000Z","amount":"' || round(:amount_minor / 100.0, 2)::text || '","currency":"USD",'
        || '"charity_id":' || :charity_id::text || ',"charity_name":"A charity of a usual name",'
        || '"read_token":"33vy93uRhSxpf2Q2029o7klKtSmvLPdN"}', 'UTF8')
WHERE donation_id = :donation_id AND response_status IS NULL;
COMMIT;
