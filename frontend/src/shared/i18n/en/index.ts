import card from "./card.json";
import charities from "./charities.json";
import common from "./common.json";
import errors from "./errors.json";
import gift from "./gift.json";
import giving from "./giving.json";
import reference from "./reference.json";

export default { card, charities, common, errors, gift, giving, reference };
