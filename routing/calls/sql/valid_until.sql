-- When the day ends on which a reservation was decided; null for ever. From then on it is `day_ended`: decide again.
ALTER TYPE routing_reservation ADD ATTRIBUTE valid_until timestamptz;
