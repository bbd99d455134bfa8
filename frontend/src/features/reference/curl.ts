/** A gift with the card that every sandbox takes, ready to be pasted into a shell. */
export function giftByCurl(origin: string, charity_id: number): string {
  return [
    `KEY=$(cat /proc/sys/kernel/random/uuid)`,
    `curl -i ${origin}/donations \\`,
    `  -H "Content-Type: application/json" \\`,
    `  -H "Idempotency-Key: $KEY" \\`,
    `  -d '{`,
    `  "first_name": "John", "last_name": "Doe",`,
    `  "email": "john@example.com",`,
    `  "charity_id": ${charity_id},`,
    `  "amount": 50.00, "currency": "USD",`,
    `  "payment_method_nonce": "fake-valid-nonce"`,
    `}'`,
  ].join("\n");
}
